//! Our own WSDL 1.1 document, made from the same tables that reading and writing use: it cannot say
//! anything else than what the door does.

use std::fmt::Write;

use super::enums::{EnumInfo, enums};
use super::envelope::{ENCODING_NAMESPACE, SRM_NAMESPACE};
use super::operation::Operation;
use super::types;
use super::value::TypeInfo;

/// The document; `address` is where the service is, e.g. `https://se.example:8444/srm/managerv2`.
pub fn wsdl(address: &str) -> String {
    let mut out = String::with_capacity(96 * 1024);
    // Writing to a String cannot fail.
    let _ = document(&mut out, address);
    out
}

fn document(out: &mut String, address: &str) -> std::fmt::Result {
    write!(
        out,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions name="StorageResourceManager" targetNamespace="{SRM_NAMESPACE}"
 xmlns:impl="{SRM_NAMESPACE}" xmlns:SOAP-ENC="{ENCODING_NAMESPACE}"
 xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema">
<wsdl:types>
<xsd:schema targetNamespace="{SRM_NAMESPACE}">
<xsd:import namespace="{ENCODING_NAMESPACE}"/>
"#
    )?;
    for info in enums() {
        enumeration(out, &info)?;
    }
    for info in types::TYPES {
        structure(out, info)?;
    }
    for op in Operation::ALL {
        structure(out, &op.request_info())?;
        structure(out, &op.response_info())?;
    }
    out.push_str("</xsd:schema>\n</wsdl:types>\n");
    for op in Operation::ALL {
        for name in [op.request_name(), op.response_name()] {
            writeln!(
                out,
                r#"<wsdl:message name="{name}"><wsdl:part name="{name}" type="impl:{name}"/></wsdl:message>"#
            )?;
        }
    }
    out.push_str("<wsdl:portType name=\"ISRM\">\n");
    for op in Operation::ALL {
        let (name, input, output) = (op.name(), op.request_name(), op.response_name());
        writeln!(
            out,
            r#"<wsdl:operation name="{name}"><wsdl:input message="impl:{input}" name="{input}"/><wsdl:output message="impl:{output}" name="{output}"/></wsdl:operation>"#
        )?;
    }
    out.push_str("</wsdl:portType>\n");
    binding(out)?;
    let address = quick_xml::escape::escape(address);
    write!(
        out,
        r#"<wsdl:service name="SRMService"><wsdl:port name="srm" binding="impl:srmSoapBinding"><soap:address location="{address}"/></wsdl:port></wsdl:service>
</wsdl:definitions>
"#
    )
}

fn binding(out: &mut String) -> std::fmt::Result {
    out.push_str("<wsdl:binding name=\"srmSoapBinding\" type=\"impl:ISRM\">\n");
    out.push_str(
        "<soap:binding style=\"rpc\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>\n",
    );
    let body = format!(
        r#"<soap:body use="encoded" encodingStyle="{ENCODING_NAMESPACE}" namespace="{SRM_NAMESPACE}"/>"#
    );
    for op in Operation::ALL {
        let (name, input, output) = (op.name(), op.request_name(), op.response_name());
        writeln!(
            out,
            r#"<wsdl:operation name="{name}"><soap:operation soapAction=""/><wsdl:input name="{input}">{body}</wsdl:input><wsdl:output name="{output}">{body}</wsdl:output></wsdl:operation>"#
        )?;
    }
    out.push_str("</wsdl:binding>\n");
    Ok(())
}

fn enumeration(out: &mut String, info: &EnumInfo) -> std::fmt::Result {
    let name = info.name;
    writeln!(out, r#"<xsd:simpleType name="{name}"><xsd:restriction base="xsd:string">"#)?;
    for value in &info.values {
        writeln!(out, r#" <xsd:enumeration value="{value}"/>"#)?;
    }
    out.push_str("</xsd:restriction></xsd:simpleType>\n");
    Ok(())
}

fn structure(out: &mut String, info: &TypeInfo) -> std::fmt::Result {
    writeln!(out, r#"<xsd:complexType name="{}"><xsd:sequence>"#, info.name)?;
    for field in info.fields {
        write!(out, r#" <xsd:element name="{}" type="{}""#, field.name, field.xsd)?;
        if field.min == 0 {
            out.push_str(" minOccurs=\"0\"");
        }
        if field.many {
            out.push_str(" maxOccurs=\"unbounded\"");
        }
        if field.nillable {
            out.push_str(" nillable=\"true\"");
        }
        out.push_str("/>\n");
    }
    out.push_str("</xsd:sequence></xsd:complexType>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_declared() {
        let text = wsdl("https://h:8444/srm?a&b");
        for part in text.split("type=\"impl:").skip(1) {
            let name = part.split('"').next().unwrap();
            let declared = ["xsd:complexType", "xsd:simpleType", "wsdl:portType"]
                .iter()
                .any(|kind| text.contains(&format!("<{kind} name=\"{name}\"")));
            assert!(declared, "{name}");
        }
        assert!(text.contains("location=\"https://h:8444/srm?a&amp;b\""));
        assert_eq!(text.matches("soapAction=\"\"").count(), 39);
    }

    #[test]
    fn fields_are_declared_as_the_contract_has_them() {
        let text = wsdl("");
        for line in [
            r#"<xsd:element name="statusCode" type="impl:TStatusCode"/>"#,
            r#"<xsd:element name="urlArray" type="xsd:anyURI" maxOccurs="unbounded" nillable="true"/>"#,
            r#"<xsd:element name="size" type="xsd:unsignedLong" minOccurs="0" nillable="true"/>"#,
            r#"<xsd:element name="offset" type="xsd:int" minOccurs="0"/>"#,
            r#"<xsd:element name="storageSystemInfo" type="impl:ArrayOfTExtraInfo" nillable="true"/>"#,
            r#"<xsd:element name="createdAtTime" type="xsd:dateTime" minOccurs="0" nillable="true"/>"#,
        ] {
            assert!(text.contains(line), "{line}");
        }
    }
}
