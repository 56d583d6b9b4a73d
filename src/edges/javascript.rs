//! JavaScript of the safeguard `javascript`, in an engine of its own for each program: `QuickJS`, within limits.
//!
//! It runs in `brokerctl check` only. The daemon holds credentials and never runs it; its program does not even
//! contain it, since only `brokerctl` hands it to [`crate::ctl::main`].

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rquickjs::context::EvalOptions;
use rquickjs::prelude::Coerced;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Runtime, Value};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;

use crate::core::safeguard::Engine;

/// How long a program may run, in time of the processor: a busy machine is no fault of it.
const TIME: Duration = Duration::from_secs(1);
/// How much memory it may have, in bytes, the service's artifacts included.
const MEMORY: usize = 64 * 1024 * 1024;
/// How deep its calls may go, in bytes of the stack.
const STACK: usize = 512 * 1024;

/// `JSONata`, which Serverless gave such programs: jsonata.org, MIT, as npm has it.
const JSONATA: &str = include_str!("javascript/jsonata-1.8.9.min.js");

/// The functions that a program finds beside the data. A query is one on the data, and true if it finds something.
const PRELUDE: &str = "(() => {
    const {stage, region} = provider;
    provider.getStage = () => stage;
    provider.getRegion = () => region;
    const query = globalThis.jsonata;
    if (query === undefined) return;
    const service = {compiled, declaration, provider, frameworkVersion};
    globalThis.jsonata = (text) => {
        const found = query(text).evaluate(service);
        return typeof found === 'object' && found !== null ? Object.keys(found).length > 0 : Boolean(found);
    };
})();";

/// The engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuickJs;

impl Engine for QuickJs {
    fn evaluate(&self, source: &str, globals: &Json) -> Result<bool, String> {
        evaluate(source, globals, TIME)
    }
}

fn evaluate(source: &str, globals: &Json, time: Duration) -> Result<bool, String> {
    let broken = |error: rquickjs::Error| format!("the engine does not start: {error}");
    let runtime = Runtime::new().map_err(broken)?;
    runtime.set_memory_limit(MEMORY);
    runtime.set_max_stack_size(STACK);
    let context = Context::full(&runtime).map_err(broken)?;
    // The time begins when the program does; the engine lets its handler be set only before.
    let until = Rc::new(Cell::new(None));
    let watched = Rc::clone(&until);
    runtime.set_interrupt_handler(Some(Box::new(move || watched.get().is_some_and(|end| used() >= end))));
    context.with(|ctx| {
        prepare(&ctx, source, globals).catch(&ctx).map_err(|error| words(&error))?;
        let end = used() + time;
        until.set(Some(end));
        let outcome = run(&ctx, source).catch(&ctx).map_err(|error| words(&error));
        outcome.map_err(|why| {
            if used() >= end { format!("it ran for longer than {} s", time.as_secs_f32()) } else { why }
        })
    })
}

/// How long the processor has worked for this thread.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn prepare<'js>(ctx: &Ctx<'js>, source: &str, globals: &Json) -> rquickjs::Result<()> {
    for (name, value) in globals.as_object().into_iter().flatten() {
        ctx.globals().set(name.as_str(), ctx.json_parse(value.to_string())?)?;
    }
    let mut options = EvalOptions::default();
    options.strict = false;
    // Most programs do without, and it takes longer to read than they do to run.
    if source.contains("jsonata") {
        ctx.eval_with_options::<Value<'js>, _>(JSONATA, options)?;
    }
    ctx.eval::<Value<'js>, _>(PRELUDE)?;
    Ok(())
}

fn run<'js>(ctx: &Ctx<'js>, source: &str) -> rquickjs::Result<bool> {
    let mut options = EvalOptions::default();
    options.strict = false;
    let value: Value<'js> = ctx.eval_with_options(source, options)?;
    if value.is_promise() {
        return Err(rquickjs::Exception::throw_type(ctx, "its value is a promise, which nobody waits for"));
    }
    Ok(value.get::<Coerced<bool>>()?.0)
}

/// What was thrown, without its stack.
fn words(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            exception.message().unwrap_or_else(|| "an error without a message".to_owned())
        }
        CaughtError::Value(value) => value.get::<Coerced<String>>().map_or_else(
            |_| "it threw something that has no text".to_owned(),
            |text| format!("it threw {}", text.0),
        ),
        CaughtError::Error(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(source: &str) -> Result<bool, String> {
        let globals = json!({
            "compiled": { "t.json": { "Resources": { "A": { "Type": "x" } } } },
            "declaration": { "provider": { "memorySize": 256 }, "functions": { "hello": { "timeout": 5 } } },
            "provider": { "stage": "dev", "region": "us-east-1" },
            "frameworkVersion": "4.3.1",
        });
        evaluate(source, &globals, Duration::from_millis(300))
    }

    #[test]
    fn the_last_value_decides() {
        for (source, expected) in [
            ("declaration.provider.memorySize <= 512", true),
            ("const f = Object.values(declaration.functions); f.every((g) => g.timeout > 5)", false),
            ("provider.getStage() === 'dev' && provider.getRegion() === provider.region", true),
            ("frameworkVersion.startsWith('4.')", true),
            ("''", false),
            ("[]", true),
            ("undeclared = 1; undeclared", true),
            ("jsonata('declaration.functions.*[timeout < 10]')", true),
            ("jsonata('declaration.functions.*[timeout > 10]')", false),
            ("jsonata('compiled.*.Resources.*[Type=\"x\"]')", true),
            ("jsonata('declaration.nothing')", false),
        ] {
            assert_eq!(said(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_goes_wrong_is_told() {
        for (source, expected) in [
            ("throw new Error('no such team')", "no such team"),
            ("throw 'bare'", "it threw bare"),
            ("(", "unexpected"),
            ("Promise.resolve(false)", "promise"),
            ("while (true) {}", "it ran for longer than 0.3 s"),
            ("/(a+)+$/.test('a'.repeat(40) + 'b'); while (true) {}", "it ran for longer than 0.3 s"),
            ("const f = () => f(); f()", "stack"),
            ("new Uint8Array(100 * 1024 * 1024)", "memory"),
        ] {
            let why = said(source).unwrap_err();
            assert!(why.to_lowercase().contains(expected), "{source}: {why}");
        }
    }

    #[test]
    fn nothing_of_the_machine_is_there() {
        for name in
            ["require", "process", "std", "os", "console", "fetch", "Deno", "setTimeout", "importScripts"]
        {
            assert_eq!(said(&format!("typeof {name} === 'undefined'")), Ok(true), "{name}");
        }
        let escape = "this.constructor.constructor('return typeof process')() === 'undefined'";
        assert_eq!(said(escape), Ok(true));
    }
}
