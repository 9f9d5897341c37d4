//! Tokens into a checked tree: precedence climbing, in the order of PromQL's operators.

mod check;
mod modifiers;
mod selector;

use super::ast::{Aggregate, AggregateOp, Binary, BinaryOp, Expr, ExprKind, Type};
use super::error::ParseError;
use super::functions::Function;
use super::lex::{Spanned, Token, lex};
use sonde_proto::Matcher;

/// The longest text that is read.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The deepest tree that is made: evaluation walks down on the stack.
const DEPTH_MAX: usize = 96;

/// Reads and checks an expression.
///
/// # Errors
/// [`ParseError`] says what is wrong and where.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text)?;
    if *parser.peek() == Token::End {
        return Err(parser.error("no expression found in input"));
    }
    let expr = parser.expr(0)?;
    parser.end()?;
    Ok(expr)
}

/// Reads a selector such as `up{job="a"}` into its matchers.
///
/// # Errors
/// [`ParseError`] when the text is anything else.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let expr = parse(text)?;
    match expr.kind {
        ExprKind::Selector(selector) if selector.when == Default::default() => {
            Ok(selector.matchers)
        }
        _ => Err(ParseError::new(
            text,
            expr.at,
            "expected a series selector such as name{label=\"value\"}",
        )),
    }
}

/// The matchers of every vector selector of an expression, in the order of the text.
///
/// # Errors
/// [`ParseError`] when the text is no expression.
pub fn selectors(text: &str) -> Result<Vec<Vec<Matcher>>, ParseError> {
    let mut found = Vec::new();
    parse(text)?.each_selector(&mut |selector| found.push(selector.matchers.clone()));
    Ok(found)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned<'a>>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ParseError::new(
                text,
                TEXT_BYTES_MAX,
                format!("the expression is longer than {TEXT_BYTES_MAX} bytes"),
            ));
        }
        Ok(Self {
            text,
            tokens: lex(text)?,
            next: 0,
            depth: 0,
        })
    }

    fn peek(&self) -> &Token<'a> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token<'a> {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.next + ahead).min(last)].token
    }

    /// Where the next token begins.
    fn at(&self) -> usize {
        self.tokens[self.next.min(self.tokens.len() - 1)].at
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, self.at(), message)
    }

    fn unexpected(&self, wanted: &str) -> ParseError {
        let found = match self.peek() {
            Token::Word(word) => format!("{word:?}"),
            Token::Number(n) => format!("number {n}"),
            Token::Duration(_) => "a duration".into(),
            Token::Text(_) => "a string".into(),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end of the input".into(),
        };
        self.error(format!("unexpected {found}, expected {wanted}"))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: &str, place: &str) -> Result<(), ParseError> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("{sign:?} {place}")))
        }
    }

    fn end(&self) -> Result<(), ParseError> {
        if *self.peek() == Token::End {
            Ok(())
        } else {
            Err(self.unexpected("an operator or the end"))
        }
    }

    /// Makes a node, unless the tree becomes too deep.
    fn node(&self, kind: ExprKind, at: usize, below: usize) -> Result<Expr, ParseError> {
        if below >= DEPTH_MAX {
            return Err(ParseError::new(
                self.text,
                at,
                format!("the expression is nested more than {DEPTH_MAX} deep"),
            ));
        }
        Ok(Expr {
            kind,
            at,
            depth: below + 1,
        })
    }

    /// An expression of operators that bind at least as tight as `power`.
    fn expr(&mut self, power: u8) -> Result<Expr, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!(
                "the expression is nested more than {DEPTH_MAX} deep"
            )));
        }
        let mut lhs = self.operand()?;
        while let Some(op) = self.operator().filter(|op| op.power() >= power) {
            let at = self.at();
            self.next += 1;
            let (is_bool, matching) = self.matching(op)?;
            let above = if op == BinaryOp::Pow {
                op.power()
            } else {
                op.power() + 1
            };
            let rhs = self.expr(above)?;
            let below = lhs.depth.max(rhs.depth);
            let binary = self.checked_binary(
                Binary {
                    op,
                    lhs,
                    rhs,
                    is_bool,
                    matching,
                },
                at,
            )?;
            let at = binary.lhs.at;
            lhs = self.node(ExprKind::Binary(Box::new(binary)), at, below)?;
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn operator(&self) -> Option<BinaryOp> {
        Some(match self.peek() {
            Token::Sign("+") => BinaryOp::Add,
            Token::Sign("-") => BinaryOp::Sub,
            Token::Sign("*") => BinaryOp::Mul,
            Token::Sign("/") => BinaryOp::Div,
            Token::Sign("%") => BinaryOp::Mod,
            Token::Sign("^") => BinaryOp::Pow,
            Token::Sign("==") => BinaryOp::Equal,
            Token::Sign("!=") => BinaryOp::NotEqual,
            Token::Sign(">") => BinaryOp::Greater,
            Token::Sign("<") => BinaryOp::Less,
            Token::Sign(">=") => BinaryOp::GreaterEqual,
            Token::Sign("<=") => BinaryOp::LessEqual,
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "and" => BinaryOp::And,
                "or" => BinaryOp::Or,
                "unless" => BinaryOp::Unless,
                "atan2" => BinaryOp::Atan2,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// An operand with its sign and what follows it.
    fn operand(&mut self) -> Result<Expr, ParseError> {
        let at = self.at();
        if self.take_sign("+") {
            let inner = self.expr(BinaryOp::Pow.power())?;
            return self.checked_unary(inner);
        }
        if self.take_sign("-") {
            let inner = self.expr(BinaryOp::Pow.power())?;
            let inner = self.checked_unary(inner)?;
            if let ExprKind::Number(n) = inner.kind {
                return self.node(ExprKind::Number(-n), at, 0);
            }
            let below = inner.depth;
            return self.node(ExprKind::Negate(Box::new(inner)), at, below);
        }
        let primary = self.primary()?;
        self.modifiers(primary)
    }

    fn primary(&mut self) -> Result<Expr, ParseError> {
        let at = self.at();
        match self.peek().clone() {
            Token::Number(n) => self.leaf(ExprKind::Number(n), at),
            Token::Duration(millis) => self.leaf(ExprKind::Number(millis as f64 / 1e3), at),
            Token::Text(text) => self.leaf(ExprKind::String(text.into_owned()), at),
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.expr(0)?;
                self.expect_sign(")", "to close the parenthesis")?;
                let below = inner.depth;
                self.node(ExprKind::Paren(Box::new(inner)), at, below)
            }
            Token::Sign("{") => self.selector(None, at),
            Token::Word(word) => self.word(word, at),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn leaf(&mut self, kind: ExprKind, at: usize) -> Result<Expr, ParseError> {
        self.next += 1;
        self.node(kind, at, 0)
    }

    /// An aggregation, a call, a number in words or a metric.
    fn word(&mut self, word: &'a str, at: usize) -> Result<Expr, ParseError> {
        let called = matches!(self.peek_at(1), Token::Sign("("));
        let grouped = matches!(self.peek_at(1), Token::Word(w) if ["by", "without"].contains(&w.to_ascii_lowercase().as_str()));
        if let Some(op) = AggregateOp::from_word(word).filter(|_| called || grouped) {
            self.next += 1;
            return self.aggregate(op, at);
        }
        if called {
            return self.call(word, at);
        }
        match sonde_lex::number_word(word) {
            Some(number) => self.leaf(ExprKind::Number(number), at),
            None => {
                self.next += 1;
                self.selector(Some(word), at)
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp, at: usize) -> Result<Expr, ParseError> {
        let mut grouping = self.grouping()?;
        let args_at = self.at();
        let mut args = self.args()?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let (without, labels) = grouping.unwrap_or_default();
        let wanted = 1 + usize::from(op.param().is_some());
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(ParseError::new(self.text, args_at, message));
        }
        let below = args.iter().map(|arg| arg.depth).max().unwrap_or_default();
        let expr = args.pop().ok_or_else(|| self.unexpected("an expression"))?;
        let param = args.pop();
        if let (Some(param), Some(wanted)) = (&param, op.param()) {
            self.expect_type(param, wanted, "aggregation parameter")?;
        }
        self.expect_type(&expr, Type::Vector, "aggregation expression")?;
        self.node(
            ExprKind::Aggregate(Box::new(Aggregate {
                op,
                param,
                expr,
                labels,
                without,
            })),
            at,
            below,
        )
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, ParseError> {
        if self.take_word("by") {
            Ok(Some((false, self.label_names()?)))
        } else if self.take_word("without") {
            Ok(Some((true, self.label_names()?)))
        } else {
            Ok(None)
        }
    }

    fn call(&mut self, word: &str, at: usize) -> Result<Expr, ParseError> {
        let Some(function) = Function::named(word) else {
            return Err(self.error(format!("unknown function with name {word:?}")));
        };
        self.next += 1;
        let args = self.args()?;
        self.check_args(function, &args, at)?;
        let below = args.iter().map(|arg| arg.depth).max().unwrap_or_default();
        self.node(ExprKind::Call { function, args }, at, below)
    }

    fn args(&mut self) -> Result<Vec<Expr>, ParseError> {
        self.expect_sign("(", "before the arguments")?;
        let mut args = Vec::new();
        while !self.take_sign(")") {
            args.push(self.expr(0)?);
            if !self.take_sign(",") {
                self.expect_sign(")", "after the arguments")?;
                break;
            }
        }
        Ok(args)
    }

    /// `(a, b, "c d")`
    fn label_names(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect_sign("(", "before the label names")?;
        let mut names = Vec::new();
        while !self.take_sign(")") {
            match self.peek().clone() {
                Token::Word(word) if !word.contains(':') => names.push(word.to_owned()),
                Token::Text(text) => names.push(text.into_owned()),
                _ => return Err(self.unexpected("a label name")),
            }
            self.next += 1;
            if !self.take_sign(",") {
                self.expect_sign(")", "after the label names")?;
                break;
            }
        }
        Ok(names)
    }
}
