//! Pipelines: variables, commands, operands.

use super::Parser;
use crate::ast::{Command, Operand, OperandKind, Pipe};
use crate::error::TemplateError;
use crate::lex::{Kind, Token};
use crate::limits::VARIABLES_MAX;
use crate::value::Value;

impl Parser<'_> {
    /// A pipeline and the token that ends it.
    pub(super) fn pipe(&mut self, context: &'static str, end: Kind) -> Result<Pipe, TemplateError> {
        self.skip_space();
        let start = self.peek();
        let (variables, assigns) = self.variables(context)?;
        let mut commands = Vec::new();
        loop {
            self.skip_space();
            let token = self.peek();
            if token.kind == end {
                self.at += 1;
                break;
            }
            if !begins_operand(token.kind) {
                return Err(self.unexpected(token, context));
            }
            commands.push(self.command()?);
        }
        self.check_stages(&commands, start, context)?;
        if !assigns {
            if self.scope.variables.len() + variables.len() > VARIABLES_MAX {
                let message = format!("more than {VARIABLES_MAX} variables at once");
                return Err(start.place.error(&self.name, message));
            }
            self.scope.variables.extend(variables.iter().cloned());
        }
        Ok(Pipe {
            variables,
            assigns,
            commands,
            place: start.place,
        })
    }

    fn check_stages(
        &self,
        commands: &[Command],
        start: Token<'_>,
        context: &str,
    ) -> Result<(), TemplateError> {
        if commands.is_empty() {
            return Err(start
                .place
                .error(&self.name, format!("missing value for {context}")));
        }
        for (stage, command) in commands.iter().enumerate().skip(1) {
            let first = &command.operands[0];
            if matches!(
                first.kind,
                OperandKind::Constant(_) | OperandKind::Dot | OperandKind::Nil
            ) {
                let message = format!("non executable command in pipeline stage {}", stage + 1);
                return Err(first.place.error(&self.name, message));
            }
        }
        Ok(())
    }

    /// `$a :=`, `$a =`, and in a range `$a, $b :=`.
    fn variables(&mut self, context: &str) -> Result<(Vec<String>, bool), TemplateError> {
        let mut names = Vec::new();
        loop {
            let from = self.at;
            let token = self.peek();
            if token.kind != Kind::Variable {
                return self.no_operator_after(&names);
            }
            self.at += 1;
            self.skip_space();
            let operator = self.peek();
            match operator.kind {
                Kind::Declare | Kind::Assign => {
                    self.at += 1;
                    names.push(token);
                    let assigns = operator.kind == Kind::Assign;
                    if assigns {
                        names.iter().try_for_each(|name| self.known(*name))?;
                    }
                    return Ok((
                        names.iter().map(|token| token.text.to_owned()).collect(),
                        assigns,
                    ));
                }
                Kind::Comma if context == "range" && names.is_empty() => {
                    self.at += 1;
                    self.skip_space();
                    names.push(token);
                }
                Kind::Comma => {
                    return Err(self.error(token, format!("too many declarations in {context}")));
                }
                _ => {
                    self.at = from;
                    return self.no_operator_after(&names);
                }
            }
        }
    }

    fn no_operator_after(&self, names: &[Token<'_>]) -> Result<(Vec<String>, bool), TemplateError> {
        match names.first() {
            None => Ok((Vec::new(), false)),
            Some(name) => Err(name.place.error(
                &self.name,
                "range can only initialize variables: := is missing",
            )),
        }
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            let token = self.peek();
            if begins_operand(token.kind) {
                operands.push(self.operand()?);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::Close | Kind::RightParen => {
                    self.at -= 1;
                    return Ok(Command { operands });
                }
                // As in Go, a pipe with nothing after it is no mistake.
                Kind::Pipe => return Ok(Command { operands }),
                _ => return Err(self.unexpected(token, "operand")),
            }
        }
    }

    /// A term and the fields asked of it.
    fn operand(&mut self) -> Result<Operand, TemplateError> {
        let token = self.next();
        let mut operand = self.term(token)?;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.next().text[1..].to_owned());
        }
        if fields.is_empty() {
            return Ok(operand);
        }
        match &mut operand.kind {
            OperandKind::Field(path) | OperandKind::Variable(_, path) => path.extend(fields),
            OperandKind::Dot | OperandKind::Nil | OperandKind::Constant(_) => {
                return Err(self.error(token, format!("unexpected . after term {:?}", token.text)));
            }
            OperandKind::Chain(..) | OperandKind::Function(_) | OperandKind::Pipe(_) => {
                let place = operand.place;
                return Ok(Operand {
                    kind: OperandKind::Chain(Box::new(operand), fields),
                    place,
                });
            }
        }
        Ok(operand)
    }

    fn term(&mut self, token: Token<'_>) -> Result<Operand, TemplateError> {
        let kind = match token.kind {
            Kind::Dot => OperandKind::Dot,
            Kind::Field => OperandKind::Field(vec![token.text[1..].to_owned()]),
            Kind::Variable => {
                self.known(token)?;
                OperandKind::Variable(token.text.to_owned(), Vec::new())
            }
            Kind::Number | Kind::Char | Kind::Quoted | Kind::Raw => {
                OperandKind::Constant(self.constant(token)?)
            }
            Kind::Word => self.word(token)?,
            Kind::LeftParen => {
                self.deeper()?;
                let pipe = self.pipe("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                OperandKind::Pipe(Box::new(pipe))
            }
            Kind::Text | Kind::Open | Kind::Close | Kind::Space | Kind::Pipe | Kind::Comma => {
                return Err(self.unexpected(token, "operand"));
            }
            Kind::Declare | Kind::Assign | Kind::RightParen | Kind::End => {
                return Err(self.unexpected(token, "operand"));
            }
        };
        Ok(Operand {
            kind,
            place: token.place,
        })
    }

    fn word(&self, token: Token<'_>) -> Result<OperandKind, TemplateError> {
        match token.text {
            "true" => Ok(OperandKind::Constant(Value::Bool(true))),
            "false" => Ok(OperandKind::Constant(Value::Bool(false))),
            "nil" => Ok(OperandKind::Nil),
            name if self.funcs.has(name) => Ok(OperandKind::Function(name.to_owned())),
            name if is_keyword(name) => Err(self.unexpected(token, "command")),
            name => Err(token
                .place
                .error(&self.name, format!("function {name:?} not defined"))),
        }
    }

    /// Whether the variable exists here.
    fn known(&self, token: Token<'_>) -> Result<(), TemplateError> {
        if self
            .scope
            .variables
            .iter()
            .rev()
            .any(|name| name == token.text)
        {
            return Ok(());
        }
        Err(token
            .place
            .error(&self.name, format!("undefined variable {:?}", token.text)))
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "if" | "else"
            | "end"
            | "range"
            | "with"
            | "template"
            | "define"
            | "block"
            | "break"
            | "continue"
    )
}

fn begins_operand(kind: Kind) -> bool {
    match kind {
        Kind::Dot | Kind::Field | Kind::Variable | Kind::Word | Kind::Number => true,
        Kind::Char | Kind::Quoted | Kind::Raw | Kind::LeftParen => true,
        Kind::Text | Kind::Open | Kind::Close | Kind::Space | Kind::Pipe | Kind::Comma => false,
        Kind::Declare | Kind::Assign | Kind::RightParen | Kind::End => false,
    }
}
