//! The demo's shop: five services that call one another over HTTP.
//!
//! ```text
//! frontend ─▶ catalog
//!          └▶ checkout ─▶ inventory
//!                      └▶ payment      gets slow and fails when told to
//! ```

use super::service::{Call, Fault, Service, ServiceSpec};
use crate::Failure;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The service that breaks.
pub(super) const BROKEN: &str = "payment";
/// How many services the shop has.
pub(super) const SERVICES: usize = 5;

/// A running shop.
pub(super) struct Shop {
    services: Vec<Service>,
    fault: Arc<Fault>,
}

impl Shop {
    /// Opens the shop: services log below `log_dir` and export to `otlp`.
    pub(super) async fn open(log_dir: &Path, otlp: &str) -> Result<Self, Failure> {
        let fault = Arc::new(Fault::default());
        let mut services = Vec::with_capacity(SERVICES);
        let mut start =
            async |name, route, work_ms: Range<u64>, calls, fault| -> Result<String, Failure> {
                let spec = ServiceSpec {
                    name,
                    route,
                    work_ms,
                    calls,
                    fault,
                };
                let service = Service::start(spec, log_dir, otlp).await?;
                let url = service.url();
                services.push(service);
                Ok(url)
            };
        let catalog = start("catalog", "/items", 2..8, Vec::new(), None).await?;
        let inventory = start("inventory", "/reserve", 4..16, Vec::new(), None).await?;
        let payment = start(BROKEN, "/pay", 10..40, Vec::new(), Some(Arc::clone(&fault))).await?;
        let calls = vec![
            Call::new("inventory", inventory),
            Call::new("payment", payment),
        ];
        let checkout = start("checkout", "/checkout", 2..8, calls, None).await?;
        let calls = vec![
            Call::new("catalog", catalog),
            Call::new("checkout", checkout),
        ];
        start("frontend", "/buy", 1..4, calls, None).await?;
        Ok(Self { services, fault })
    }

    /// Where customers come in.
    pub(super) fn url(&self) -> String {
        self.services.last().map(Service::url).unwrap_or_default()
    }

    /// Lets the payment service get slow and fail.
    pub(super) fn break_payment(&self) {
        self.fault.begin();
    }

    /// Closes the shop and sends what its services have not exported yet.
    pub(super) async fn close(self) {
        for service in self.services {
            service.stop().await;
        }
    }
}
