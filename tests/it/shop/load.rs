//! The load, and its own counts of it.

use super::plan::{self, Operation, Span};
use super::programs::Shop;
use crate::harness::client;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::ops::Range;

/// How many requests are under way at once.
const PARALLEL: usize = 8;

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) number: u32,
    pub(super) operation: Operation,
    pub(super) request_id: String,
    pub(super) status: u16,
    pub(super) trace_id: String,
}

/// All requests so far.
#[derive(Debug, Default)]
pub(super) struct Load {
    requests: Vec<Request>,
}

impl Load {
    /// Makes the requests with these numbers.
    pub(super) async fn run(&mut self, shop: &Shop, numbers: Range<u32>) {
        let client = client();
        let answered = futures::stream::iter(numbers)
            .map(|number| ask(&client, shop, number))
            .buffer_unordered(PARALLEL)
            .collect::<Vec<_>>()
            .await;
        self.requests.extend(answered);
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The spans of each request, as they are planned.
    pub(super) fn planned(&self) -> Vec<Vec<Span>> {
        let spans = |request: &Request| plan::spans(request.number);
        self.requests.iter().map(spans).collect()
    }

    /// The answers that were counted are those that the numbers say.
    pub(super) fn is_what_was_planned(&self) {
        let mut counted: BTreeMap<(Operation, u16), u32> = BTreeMap::new();
        let mut planned = counted.clone();
        for request in &self.requests {
            let operation = request.operation;
            *counted.entry((operation, request.status)).or_default() += 1;
            let status = plan::status(request.number);
            *planned.entry((operation, status)).or_default() += 1;
        }
        assert_eq!(counted, planned);
    }
}

async fn ask(client: &reqwest::Client, shop: &Shop, number: u32) -> Request {
    let request_id = format!("order-{number:06}-shop");
    let operation = plan::operation(number);
    let (frontend, cart) = (shop.address("frontend"), shop.address("cart"));
    let request = match operation {
        Operation::Place => client.post(format!("http://{frontend}/orders/{number}")),
        Operation::Browse => client.get(format!("http://{frontend}/carts/{number}")),
        Operation::Look => client.get(format!("http://{cart}/carts/{number}")),
    };
    let request = request.header("x-request-id", &request_id);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let trace_id = answer.headers()["x-trace-id"].to_str().unwrap().to_owned();
    answer.bytes().await.unwrap();
    Request {
        number,
        operation,
        request_id,
        status,
        trace_id,
    }
}
