//! How long after a kill everything is there again.

use crate::Failure;
use crate::data::{self, Size};
use crate::program::Which;
use crate::write;

pub(crate) async fn run(size: Size) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let last = data::last_time();
    let series = (size.hosts() * data::SERIES_PER_HOST) as f64;
    println!(
        "\nreplay: killed with {series} series, {} samples each",
        size.steps
    );
    for which in Which::all() {
        let mut program = which.start(dir.path(), &[]).await?;
        write::send_all(&program, size, last).await?;
        let (at, every) = (
            last as f64 / 1e3,
            r#"count({__name__=~".+",instance=~"host-.+"})"#,
        );
        program.until(every, at, series).await?;
        let killed = program.restart().await?;
        let answering = killed.elapsed().as_secs_f64();
        if program.which() == Which::VictoriaMetrics {
            // It acknowledges before anything is durable.
            let found = program.ask(every, at).await?;
            let found = found[0]["value"][1].as_str().unwrap_or("0").to_owned();
            println!(
                "{answering:>10.2} s to the first answer, then {found} of {series} series have their last sample: {}",
                program.name()
            );
            continue;
        }
        program.until(every, at, series).await?;
        let whole = killed.elapsed().as_secs_f64();
        println!(
            "{answering:>10.2} s to the first answer, {whole:>7.2} s until all is there: {}",
            program.name()
        );
    }
    Ok(())
}
