//! Tokens as templates: texts, actions and the blocks they open.

mod constant;
mod pipeline;

use crate::ast::{Body, Branch, Definition, Node, Pipe};
use crate::error::TemplateError;
use crate::funcs::Funcs;
use crate::lex::{Kind, Token, tokens};
use crate::limits::DEPTH_MAX;
use std::collections::HashMap;
use std::sync::Arc;

/// Reads a text: the template `name`, and those it defines.
pub(crate) fn parse(
    name: &str,
    text: &str,
    funcs: &Funcs,
) -> Result<HashMap<String, Definition>, TemplateError> {
    let tokens = tokens(name, text)?;
    let mut parser = Parser {
        name: name.into(),
        tokens,
        at: 0,
        funcs,
        scope: Scope::default(),
        depth: 0,
        found: HashMap::new(),
    };
    let body = parser.top()?;
    let end = parser.peek();
    parser.define(end, name.into(), body)?;
    Ok(parser.found)
}

/// What is known inside of one template.
struct Scope {
    variables: Vec<String>,
    loops: usize,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            variables: vec!["$".into()],
            loops: 0,
        }
    }
}

struct Parser<'a> {
    name: Arc<str>,
    tokens: Vec<Token<'a>>,
    at: usize,
    funcs: &'a Funcs,
    scope: Scope,
    depth: usize,
    found: HashMap<String, Definition>,
}

/// How a body ended.
enum Ending {
    End,
    Else,
}

impl<'a> Parser<'a> {
    /// The text outside of every definition.
    fn top(&mut self) -> Result<Body, TemplateError> {
        let mut body = Body::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::End => return Ok(body),
                Kind::Text => body.push(Node::Text(token.text.into())),
                _ if self.word_ahead("define") => self.definition()?,
                _ => match self.action()? {
                    Ok(node) => body.extend(node),
                    Err((ending, token)) => return Err(self.stray(&ending, token)),
                },
            }
        }
    }

    fn stray(&self, ending: &Ending, token: Token<'a>) -> TemplateError {
        let word = match ending {
            Ending::End => "end",
            Ending::Else => "else",
        };
        self.error(token, format!("unexpected {{{{{word}}}}}"))
    }

    /// `{{define "name"}} … {{end}}`
    fn definition(&mut self) -> Result<(), TemplateError> {
        self.skip_space();
        let token = self.peek();
        let name = self.quoted_name("define")?;
        self.close("define clause")?;
        let body = self.separate("define")?;
        self.define(token, name, body)
    }

    /// Notes a definition. One text may not define a name twice, unless one is empty.
    fn define(&mut self, token: Token<'a>, name: String, body: Body) -> Result<(), TemplateError> {
        let text = Arc::clone(&self.name);
        let definition = Definition { text, body };
        let earlier = self.found.get(&name).is_some_and(|old| !old.is_empty());
        if earlier && !definition.is_empty() {
            return Err(self.error(token, format!("template {name:?} is defined twice")));
        }
        if !earlier {
            self.found.insert(name, definition);
        }
        Ok(())
    }

    /// A body with variables of its own.
    fn separate(&mut self, what: &str) -> Result<Body, TemplateError> {
        let outside = std::mem::take(&mut self.scope);
        let (body, ending, token) = self.body()?;
        self.scope = outside;
        match ending {
            Ending::End => Ok(body),
            Ending::Else => {
                Err(self.error(token, format!("unexpected {{{{else}}}} in {what} clause")))
            }
        }
    }

    /// Everything up to `{{end}}` or `{{else`.
    fn body(&mut self) -> Result<(Body, Ending, Token<'a>), TemplateError> {
        self.deeper()?;
        let mut body = Body::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::End => return Err(self.error(token, "unexpected EOF: an {{end}} is missing")),
                Kind::Text => body.push(Node::Text(token.text.into())),
                _ => match self.action()? {
                    Ok(node) => body.extend(node),
                    Err((ending, token)) => {
                        self.depth -= 1;
                        return Ok((body, ending, token));
                    }
                },
            }
        }
    }

    /// One action, after its `{{`. `Err` when it ends the body.
    fn action(&mut self) -> Result<Result<Option<Node>, (Ending, Token<'a>)>, TemplateError> {
        self.skip_space();
        let token = self.peek();
        let word = if token.kind == Kind::Word {
            token.text
        } else {
            ""
        };
        if matches!(
            word,
            "if" | "with"
                | "range"
                | "template"
                | "block"
                | "break"
                | "continue"
                | "end"
                | "else"
                | "define"
        ) {
            self.at += 1;
        }
        let node = match word {
            "if" => Node::If(self.branch("if")?),
            "with" => Node::With(self.branch("with")?),
            "range" => Node::Range(self.range()?),
            "template" => self.template(token)?,
            "block" => self.block(token)?,
            "break" => self.leave(token, Node::Break)?,
            "continue" => self.leave(token, Node::Continue)?,
            "end" => {
                self.close("end")?;
                return Ok(Err((Ending::End, token)));
            }
            "else" => return Ok(Err((Ending::Else, token))),
            "define" => {
                return Err(self.error(token, "unexpected {{define}}: only outside of every block"));
            }
            _ => Node::Action(self.pipe("command", Kind::Close)?),
        };
        Ok(Ok(Some(node)))
    }

    fn range(&mut self) -> Result<Branch, TemplateError> {
        self.scope.loops += 1;
        let branch = self.branch("range");
        self.scope.loops = self.scope.loops.saturating_sub(1);
        branch
    }

    /// `pipe}} then {{else}} otherwise {{end}}`
    fn branch(&mut self, what: &'static str) -> Result<Branch, TemplateError> {
        let variables = self.scope.variables.len();
        let pipe = self.pipe(what, Kind::Close)?;
        let (then, ending, _) = self.body()?;
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(what)?),
        };
        self.scope.variables.truncate(variables);
        Ok(Branch {
            pipe,
            then,
            otherwise,
        })
    }

    /// After `{{else`: a body, or another `if` or `with` that shares the `{{end}}`.
    fn otherwise(&mut self, what: &'static str) -> Result<Body, TemplateError> {
        for (again, node) in [("if", Node::If as fn(Branch) -> Node), ("with", Node::With)] {
            if what == again && self.word_ahead(again) {
                self.deeper()?;
                let branch = self.branch(again)?;
                self.depth -= 1;
                return Ok(vec![node(branch)]);
            }
        }
        self.close("else")?;
        // As in Go, the otherwise of a range is outside of its loop.
        let loops = self.scope.loops;
        if what == "range" {
            self.scope.loops -= 1;
        }
        let (body, ending, token) = self.body()?;
        self.scope.loops = loops;
        match ending {
            Ending::End => Ok(body),
            Ending::Else => Err(self.error(token, "expected end; found {{else}}")),
        }
    }

    fn template(&mut self, token: Token<'a>) -> Result<Node, TemplateError> {
        let name = self.quoted_name("template clause")?;
        let pipe = self.argument("template clause")?;
        Ok(Node::Template {
            name,
            pipe,
            place: token.place,
        })
    }

    /// `{{block "name" pipe}} … {{end}}`: a definition and its use.
    fn block(&mut self, token: Token<'a>) -> Result<Node, TemplateError> {
        let name = self.quoted_name("block clause")?;
        let pipe = Some(self.pipe("block clause", Kind::Close)?);
        let body = self.separate("block")?;
        self.define(token, name.clone(), body)?;
        Ok(Node::Template {
            name,
            pipe,
            place: token.place,
        })
    }

    fn argument(&mut self, context: &'static str) -> Result<Option<Pipe>, TemplateError> {
        self.skip_space();
        if self.peek().kind == Kind::Close {
            self.at += 1;
            return Ok(None);
        }
        self.pipe(context, Kind::Close).map(Some)
    }

    fn leave(&mut self, token: Token<'a>, node: Node) -> Result<Node, TemplateError> {
        self.close(token.text)?;
        if self.scope.loops == 0 {
            return Err(self.error(
                token,
                format!("{{{{{}}}}} outside {{{{range}}}}", token.text),
            ));
        }
        Ok(node)
    }

    fn quoted_name(&mut self, context: &str) -> Result<String, TemplateError> {
        self.skip_space();
        let token = self.next();
        match token.kind {
            Kind::Quoted | Kind::Raw => self.string(token),
            _ => Err(self.unexpected(token, context)),
        }
    }

    /// The `}}` that must come now.
    fn close(&mut self, context: &str) -> Result<(), TemplateError> {
        self.skip_space();
        let token = self.next();
        if token.kind == Kind::Close {
            Ok(())
        } else {
            Err(self.unexpected(token, context))
        }
    }

    /// Takes the word if it comes next.
    fn word_ahead(&mut self, word: &str) -> bool {
        let from = self.at;
        self.skip_space();
        let found = self.peek().kind == Kind::Word && self.peek().text == word;
        self.at = if found { self.at + 1 } else { from };
        found
    }

    fn deeper(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(self.peek(), format!("nested more than {DEPTH_MAX} deep")));
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
    }

    fn peek(&self) -> Token<'a> {
        let last = self.tokens.len() - 1;
        self.tokens[self.at.min(last)]
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn error(&self, token: Token<'a>, message: impl Into<String>) -> TemplateError {
        token.place.error(&self.name, message)
    }

    fn unexpected(&self, token: Token<'a>, context: &str) -> TemplateError {
        let what = match token.kind {
            Kind::End => "EOF".into(),
            _ => format!("{:?}", token.text),
        };
        self.error(token, format!("unexpected {what} in {context}"))
    }
}
