//! Tests of secrets: nothing prints them.

use super::*;

#[test]
fn a_secret_is_never_printed() {
    let secret = Secret::new("hunter2");
    assert_eq!(format!("{secret:?}"), "<secret>");
    assert_eq!(serde_json::to_string(&secret).unwrap(), "\"<secret>\"");
    assert_eq!(
        format!("{:?}", SecretSource::Inline(secret)),
        "Inline(<secret>)"
    );
}

#[tokio::test]
async fn a_secret_file_is_trimmed_and_must_not_be_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let source = SecretSource::File(path.clone());
    assert!(source.read().await.unwrap_err().contains("token"));
    std::fs::write(&path, " \n").unwrap();
    assert!(source.read().await.unwrap_err().contains("empty"));
    std::fs::write(&path, "abc\n").unwrap();
    assert_eq!(source.read().await.unwrap().expose(), "abc");
}
