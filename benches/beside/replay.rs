//! How long after a kill everything is there again.

use crate::Failure;
use crate::data::{self, Size};
use crate::program::Which;
use crate::write::{self, Door};

pub(crate) async fn run(size: Size) -> Result<(), Failure> {
    let last = data::last_time();
    println!(
        "\nreplay: killed with {} series, {} samples each",
        size.hosts() * data::SERIES_PER_HOST,
        size.steps
    );
    for (which, door) in Door::all() {
        let dir = tempfile::tempdir()?;
        let mut program = which.start(dir.path(), &[]).await?;
        door.send_all(&program, size, last).await?;
        write::until_all(&program, size, last).await?;
        let killed = program.restart().await?;
        let answering = killed.elapsed().as_secs_f64();
        let title = door.title(which);
        if which == Which::VictoriaMetrics {
            // It acknowledges before anything is durable.
            let up = r#"count(up{instance=~"host-.+"})"#;
            let found = program.ask(up, last as f64 / 1e3).await?;
            let found = found[0]["value"][1].as_str().unwrap_or("0").to_owned();
            println!(
                "{answering:>10.2} s to the first answer, then {found} of {} hosts have their last samples: {title}",
                size.hosts()
            );
            continue;
        }
        write::until_newest(&program, size, last).await?;
        let whole = killed.elapsed().as_secs_f64();
        let used = program.idle().await?.cpu_seconds;
        println!(
            "{answering:>10.2} s to the first answer, {whole:>7.2} s until all is there, {used:>7.2} processor seconds until it is idle: {title}"
        );
        write::until_all(&program, size, last).await?;
    }
    Ok(())
}
