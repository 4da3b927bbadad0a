//! The admin port's open pages: is it well (`/health`), and what does it do (`/metrics`).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::page;

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Health {
    /// Of this program.
    pub version: String,
    /// Whole seconds since the start.
    pub uptime_s: u64,
    /// Each thing that was looked at. All well: the daemon is well.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Short: `store`, `area atlas`.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// For people; what to do where it is not well.
    pub detail: String,
}

impl Health {
    /// True when every check is well.
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

/// Why the recorder could not be put in place.
#[derive(Debug, thiserror::Error)]
#[error("the metrics recorder cannot be installed: {0}")]
pub struct RecorderError(#[from] metrics_exporter_prometheus::BuildError);

/// Makes this process's metrics go to the handle that [`router`] shows. Once per process; run
/// [`upkeep`] beside it.
///
/// # Errors
/// When a recorder is in place already.
pub fn install_recorder() -> Result<PrometheusHandle, RecorderError> {
    Ok(builder()?.install_recorder()?)
}

/// Empties the histograms' sample buffers into their buckets every few seconds, so that they stay
/// small while nobody fetches `/metrics`. Never returns: spawn it, and abort it at the end.
pub async fn upkeep(metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

/// Looks at everything, once per request; it must answer in bounded time.
pub type Look = Arc<dyn Fn() -> BoxFuture<'static, Health> + Send + Sync>;

/// `/health` (200 or 503, JSON), `/metrics` (Prometheus text), and `/` that lists both.
pub fn router(health: Look, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(show_health))
        .route("/metrics", get(show_metrics))
        .with_state(Admin { health, metrics })
}

#[derive(Clone)]
struct Admin {
    health: Look,
    metrics: PrometheusHandle,
}

#[derive(serde::Serialize)]
struct Told<'a> {
    status: &'a str,
    #[serde(flatten)]
    health: &'a Health,
}

async fn index() -> Response {
    let mut text = String::new();
    page::open(&mut text, "stormd");
    text.push_str(INDEX);
    page::end(&mut text);
    page::response(Body::from(text))
}

async fn show_health(State(admin): State<Admin>) -> Response {
    let health = (admin.health)().await;
    let (code, status) = if health.ok() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    };
    let told = Told { status, health: &health };
    let json =
        serde_json::to_string(&told).unwrap_or_else(|_| format!("{{\"status\":\"{status}\"}}"));
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (code, headers, json).into_response()
}

async fn show_metrics(State(admin): State<Admin>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, admin.metrics.render()).into_response()
}

/// Without buckets the exporter makes summaries, which cannot be added up over several daemons.
fn builder() -> Result<PrometheusBuilder, RecorderError> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?
        .set_buckets(&SECONDS)?)
}

const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];
const BYTES: [f64; 8] = [1e3, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11];

const INDEX: &str = "<main><h1>stormd</h1>\n<ul>\n\
<li><a href=\"/health\">/health</a>: is it well? 200 or 503, JSON</li>\n\
<li><a href=\"/metrics\">/metrics</a>: numbers for Prometheus</li>\n</ul></main>\n";

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::ready;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn fetch(ok: bool, path: &str) -> (StatusCode, String, String) {
        let health: Look = Arc::new(move || {
            let detail = "answers \"yes\"".into();
            let checks = vec![Check { name: "store".into(), ok, detail }];
            ready(Health { version: "1.2.3".into(), uptime_s: 7, checks }).boxed()
        });
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("stormd_test_total", "door" => "https").increment(3);
            metrics::histogram!("stormd_test_seconds").record(0.02);
        });
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(health, recorder.handle()).oneshot(request).await.unwrap();
        let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn health_tells_well_from_ill() {
        let (code, kind, text) = fetch(true, "/health").await;
        assert_eq!((code, kind.as_str()), (StatusCode::OK, "application/json"));
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            told,
            serde_json::json!({"status": "ok", "version": "1.2.3", "uptime_s": 7,
                "checks": [{"name": "store", "ok": true, "detail": "answers \"yes\""}]})
        );
        let (code, _, text) = fetch(false, "/health").await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("\"status\":\"failing\""), "{text}");
    }

    #[tokio::test]
    async fn metrics_are_counters_and_buckets() {
        let (code, _, text) = fetch(true, "/metrics").await;
        assert_eq!(code, StatusCode::OK);
        assert!(text.contains("stormd_test_total{door=\"https\"} 3"), "{text}");
        assert!(text.contains("stormd_test_seconds_bucket{le=\"0.025\"} 1"), "{text}");
        assert!(text.contains("stormd_test_seconds_bucket{le=\"0.01\"} 0"), "{text}");
    }

    #[tokio::test]
    async fn the_index_names_both() {
        let (code, _, text) = fetch(true, "/").await;
        assert_eq!(code, StatusCode::OK);
        assert!(text.contains("href=\"/health\"") && text.contains("href=\"/metrics\""));
    }
}
