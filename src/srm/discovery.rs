//! srmPing and srmGetTransferProtocols.

use super::{PingAnswer, ProtocolsAnswer, Srm};
use crate::model::{Identity, ReturnStatus};

impl Srm {
    /// srmPing. Touches no database. Errors are SOAP faults: the operation has no return status.
    pub async fn ping(&self, who: &Identity) -> Result<PingAnswer, ReturnStatus> {
        self.admit(who).await?;
        let version = env!("CARGO_PKG_VERSION");
        let pair = |key: &str, value: String| (key.to_owned(), value);
        Ok(PingAnswer {
            version_info: "v2.2".to_owned(),
            other_info: vec![
                pair("backend_type", "stormd".to_owned()),
                // Scripts look for <BE:…>, as StoRM answers.
                pair("backend_version", format!("<FE:{version}><BE:{version}>")),
                pair("backend_os_distribution", std::env::consts::OS.to_owned()),
            ],
        })
    }

    /// srmGetTransferProtocols: the union over all storage areas.
    pub async fn get_transfer_protocols(&self, who: &Identity) -> ProtocolsAnswer {
        if let Err(error) = self.admit(who).await {
            return ProtocolsAnswer { status: error.into(), protocols: Vec::new() };
        }
        ProtocolsAnswer {
            status: ReturnStatus::success("what the storage areas of this site offer"),
            protocols: self.site().namespace.protocols(),
        }
    }
}
