//! The parameters of a request: those of the URL and, of a POST or PUT, those of the form.

use axum::extract::{Form, FromRequest as _, Query, Request};
use axum::http::{Method, header};

/// Reads all parameters, in order.
///
/// # Errors
/// What cannot be read.
pub(super) async fn read<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Vec<(String, String)>, String> {
    let mut all = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
        .map_err(|error| error.to_string())?
        .0;
    let has_form = request.headers().contains_key(header::CONTENT_TYPE);
    let may_have = matches!(*request.method(), Method::POST | Method::PUT);
    if may_have && has_form {
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        all.extend(form.map_err(|error| error.to_string())?.0);
    }
    Ok(all)
}
