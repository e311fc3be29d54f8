//! The parser: recursive descent over the tokens, then resolution of names that stand later.

use std::collections::HashMap;

use super::{
    ParseError, ParseErrorKind, TEXT_VERSION,
    lex::{Spanned, Token, lex},
};
use crate::{
    leaf::MAX_TYPE_DEPTH,
    op::Op,
    program::{
        Arguments, Case, ElemType, Function, FunctionId, Literal, Method, Module, ModuleId, Node,
        Param, Program, Symbol, SymbolId, TensorType, Type, ValueId, ValueType, Weight, WeightId,
        WeightRole,
    },
    size::{FLOOR_DIV, MAX_DEGREE, MAX_NESTING, MIN, Size},
    validate::Place,
};

/// The program that a text describes. It is not validated.
///
/// # Errors
/// If the text does not follow the grammar, or a name in it is that of nothing.
pub fn parse(text: &str) -> Result<Program, ParseError> {
    parse_with_lines(text).map(|(program, _)| program)
}

/// The program, and the lines at which its parts stand: for diagnostics of the validator.
///
/// # Errors
/// As [`parse`].
pub fn parse_with_lines(text: &str) -> Result<(Program, Lines), ParseError> {
    let tokens = lex(text)?;
    let mut parser = Parser::new(&tokens);
    parser.program()?;
    Ok((parser.program, Lines(parser.lines)))
}

/// Where the parts of a program stand in its text.
#[derive(Clone, Debug, Default)]
pub struct Lines(HashMap<Place, u32>);

impl Lines {
    /// Line of a place, counted from 1. A node's outputs stand at the node.
    pub fn line(&self, place: Place) -> Option<u32> {
        self.0.get(&place).copied()
    }
}

pub(super) type Parsed<T> = Result<T, ParseError>;

/// What stands after the last token.
static END: Spanned = Spanned {
    token: Token::End,
    line: 1,
    column: 1,
};

/// A name that may be defined later in the text.
struct Later<'a> {
    name: &'a str,
    token: &'a Spanned,
}

impl Later<'_> {
    fn find<T: Copy>(&self, what: &'static str, table: &HashMap<&str, T>) -> Parsed<T> {
        table.get(self.name).copied().ok_or_else(|| {
            self.token.error(ParseErrorKind::Unknown {
                what,
                name: self.name.to_owned(),
            })
        })
    }
}

/// The parser's state: what is left of the tokens, what was read, and names to resolve at the end.
pub(super) struct Parser<'a> {
    pub(super) tokens: core::slice::Iter<'a, Spanned>,
    pub(super) end: &'a Spanned,
    pub(super) program: Program,
    lines: HashMap<Place, u32>,
    pub(super) symbols: HashMap<&'a str, SymbolId>,
    pub(super) weights: HashMap<&'a str, WeightId>,
    modules: HashMap<&'a str, ModuleId>,
    functions: HashMap<&'a str, FunctionId>,
    children: Vec<(ModuleId, Later<'a>)>,
    cases: Vec<(Place, Later<'a>)>,
    calls: Vec<(FunctionId, usize, Later<'a>)>,
    owners: Vec<(FunctionId, Later<'a>)>,
}

/// `conv1.forward` gives `("conv1", "forward")`.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// Next id of a table. Tables have fewer entries than the text has bytes; where even ids run out,
/// all further ones are the last, which no entry has.
fn next_id(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Spanned]) -> Self {
        Self {
            tokens: tokens.iter(),
            end: tokens.last().unwrap_or(&END),
            program: Program::default(),
            lines: HashMap::new(),
            symbols: HashMap::new(),
            weights: HashMap::new(),
            modules: HashMap::new(),
            functions: HashMap::new(),
            children: Vec::new(),
            cases: Vec::new(),
            calls: Vec::new(),
            owners: Vec::new(),
        }
    }

    fn program(&mut self) -> Parsed<()> {
        self.keyword("kiln")?;
        let known = TEXT_VERSION;
        let (got, token) = self.int()?;
        if got != known {
            return Err(token.error(ParseErrorKind::Version { got, known }));
        }
        self.lines.insert(Place::Program, token.line);
        if self.eat_word("symbols") {
            loop {
                self.symbol_definition()?;
                if !self.eat(',') {
                    break;
                }
            }
        }
        while self.eat_word("weight") {
            self.weight()?;
        }
        while self.eat_word("module") {
            self.module()?;
        }
        while self.eat_word("fn") {
            self.function()?;
        }
        match self.peek() {
            Token::End => self.resolve(),
            _ => {
                Err(self
                    .unexpected("`symbols`, `weight`, `module`, `fn` in this order, or the end"))
            }
        }
    }

    fn symbol_definition(&mut self) -> Parsed<()> {
        let (name, token) = self.symbol_name()?;
        let id = SymbolId(next_id(self.program.symbols.len()));
        self.program.symbols.push(Symbol {
            name: name.to_owned(),
        });
        self.symbols.entry(name).or_insert(id);
        self.lines.insert(Place::Symbol(id), token.line);
        Ok(())
    }

    fn weight(&mut self) -> Parsed<()> {
        let (name, token) = self.at()?;
        self.mark(':')?;
        let expected = "`parameter`, `buffer` or `constant`";
        let role = self.choice(expected, WeightRole::ALL, |role| role.name())?;
        let elem = self.elem()?;
        let shape = self.brackets(|parser| Ok(parser.int()?.0))?;
        let tied = self.eat('=').then(|| self.weight_name()).transpose()?;
        let id = WeightId(next_id(self.program.weights.len()));
        self.program.weights.push(Weight {
            name: name.to_owned(),
            role,
            elem,
            shape,
            tied,
        });
        self.weights.entry(name).or_insert(id);
        self.lines.insert(Place::Weight(id), token.line);
        Ok(())
    }

    fn module(&mut self) -> Parsed<()> {
        let (path, token) = self.at()?;
        self.mark('=')?;
        let kind = self.name("a class name")?;
        let id = ModuleId(next_id(self.program.modules.len()));
        self.modules.entry(path).or_insert(id);
        self.lines.insert(Place::Module(id), token.line);
        let mut weights = Vec::new();
        let mut methods = Vec::new();
        self.mark('{')?;
        while self.eat_word("weight") {
            weights.push(self.weight_name()?);
        }
        while self.eat_word("child") {
            let (name, token) = self.at()?;
            self.children.push((id, Later { name, token }));
        }
        loop {
            let line = self.token().line;
            if !self.eat_word("method") {
                break;
            }
            self.lines.insert(Place::Method(id, methods.len()), line);
            let method = self.method(id, methods.len())?;
            methods.push(method);
        }
        if !self.eat('}') {
            return Err(self.unexpected("`weight`, `child`, `method` in this order, or `}`"));
        }
        let path = path.to_owned();
        self.program.modules.push(Module {
            path,
            kind,
            children: Vec::new(),
            weights,
            methods,
        });
        Ok(())
    }

    fn method(&mut self, module: ModuleId, position: usize) -> Parsed<Method> {
        let name = self.name("a method's name")?;
        let params = self.list('(', ')', |parser| {
            let name = parser.name("a parameter's name")?;
            parser.mark(':')?;
            Ok(Param {
                name,
                ty: parser.ty(MAX_TYPE_DEPTH)?,
            })
        })?;
        self.arrow()?;
        let result = self.ty(MAX_TYPE_DEPTH)?;
        let mut defaults = Vec::new();
        let mut cases = Vec::new();
        self.mark('{')?;
        while self.eat_word("default") {
            let symbol = self.symbol()?;
            self.mark('=')?;
            defaults.push((symbol, self.symbol()?));
        }
        loop {
            let line = self.token().line;
            if !self.eat_word("case") {
                break;
            }
            let present = self.presence()?;
            self.arrow()?;
            let (name, token) = self.at()?;
            let results = match self.peek() {
                Token::Mark('(') => self.presence()?,
                _ => Vec::new(),
            };
            let place = Place::Case(module, position, cases.len());
            self.lines.insert(place, line);
            self.cases.push((place, Later { name, token }));
            cases.push(Case {
                present,
                results,
                function: FunctionId(u32::MAX),
            });
        }
        if !self.eat('}') {
            return Err(self.unexpected("`default`, `case` in this order, or `}`"));
        }
        Ok(Method {
            name,
            params,
            result,
            cases,
            defaults,
        })
    }

    /// `(present, absent)`
    fn presence(&mut self) -> Parsed<Vec<bool>> {
        self.list('(', ')', |parser| {
            parser.choice("`present` or `absent`", &[true, false], |&present| {
                if present { "present" } else { "absent" }
            })
        })
    }

    fn ty(&mut self, depth: usize) -> Parsed<Type> {
        let below = depth.checked_sub(1).ok_or_else(|| {
            self.token().error(ParseErrorKind::Depth {
                limit: MAX_TYPE_DEPTH,
            })
        })?;
        let mut ty = match self.peek() {
            Token::Mark('(') => Type::Tuple(self.list('(', ')', |parser| parser.ty(below))?),
            Token::Mark('[') => Type::List(self.brackets(|parser| parser.ty(below))?),
            Token::Mark('{') => Type::Dict(self.list('{', '}', |parser| {
                let key = parser.name("a key")?;
                parser.mark(':')?;
                Ok((key, parser.ty(below)?))
            })?),
            Token::Word(word) if word == "csr" => {
                self.advance();
                self.mark('(')?;
                let rowptr = self.tensor_type()?;
                self.mark(',')?;
                let col = self.tensor_type()?;
                self.mark(',')?;
                let value = self.tensor_type()?;
                self.mark(')')?;
                Type::Adjacency(Box::new([rowptr, col, value]))
            }
            Token::Word(word) if word == "size" => {
                self.advance();
                self.mark('(')?;
                let src = self.symbol()?;
                self.mark(',')?;
                let dst = self.symbol()?;
                self.mark(')')?;
                Type::Size([src, dst])
            }
            Token::Word(word) if word == "flag" => {
                self.advance();
                Type::Flag
            }
            Token::Word(word) if word == "int" => {
                self.advance();
                Type::Int(self.symbol()?)
            }
            Token::Word(word) if word == "float" => {
                self.advance();
                Type::float(self.elem()?)
            }
            Token::Word(word) if word == "true" || word == "false" => {
                self.advance();
                Type::Literal(Literal::Bool(word == "true"))
            }
            Token::Text(text) => {
                self.advance();
                Type::Literal(Literal::Text(text.clone()))
            }
            _ => Type::Tensor(self.tensor_type()?),
        };
        let mut levels = 1_usize;
        while self.eat('?') {
            levels = levels.saturating_add(1);
            if levels > depth {
                return Err(self.token().error(ParseErrorKind::Depth {
                    limit: MAX_TYPE_DEPTH,
                }));
            }
            ty = Type::Optional(Box::new(ty));
        }
        Ok(ty)
    }

    fn tensor_type(&mut self) -> Parsed<TensorType> {
        let elem = self.elem()?;
        Ok(TensorType {
            elem,
            dims: self.brackets(Self::size)?,
        })
    }

    pub(super) fn elem(&mut self) -> Parsed<ElemType> {
        let expected = "an element type: f32, f64, f16, bf16, i64, i32, u8 or bool";
        self.choice(expected, ElemType::ALL, |elem| elem.name())
    }

    /// A sum of products of numbers, symbols, minima and quotients.
    pub(super) fn size(&mut self) -> Parsed<Size> {
        self.nested_size(MAX_NESTING)
    }

    fn nested_size(&mut self, nesting: usize) -> Parsed<Size> {
        let start = self.token();
        let too_complex = || start.error(ParseErrorKind::Size);
        let mut sum = Size::default();
        let mut negative = self.eat('-');
        loop {
            let term = self.term(negative, nesting)?;
            sum = sum.checked_add(&term).ok_or_else(too_complex)?;
            negative = match self.peek() {
                Token::Mark('+') => false,
                Token::Mark('-') => true,
                _ => return Ok(sum),
            };
            self.advance();
        }
    }

    fn term(&mut self, negative: bool, nesting: usize) -> Parsed<Size> {
        let start = self.token();
        let too_complex = || start.error(ParseErrorKind::Size);
        // With the sign, since the least number has no positive counterpart.
        let mut coefficient = if negative { -1_i128 } else { 1 };
        let mut product = Size::fixed(1);
        let mut degree = 0_usize;
        loop {
            let factor = match self.peek() {
                Token::Int(factor) => {
                    let factor = i128::from(*factor);
                    coefficient = coefficient.checked_mul(factor).ok_or_else(too_complex)?;
                    self.advance();
                    None
                }
                Token::Symbol(_) => Some(Size::symbol(self.symbol()?)),
                Token::Word(word) if word == MIN => {
                    Some(self.parts(nesting, |a, b| Some(Size::min(a, b)))?)
                }
                Token::Word(word) if word == FLOOR_DIV => {
                    Some(self.parts(nesting, Size::floor_div)?)
                }
                _ => {
                    return Err(self.unexpected(
                        "a size: numbers, symbols, `min(..)` and `floor_div(..)` with * + -",
                    ));
                }
            };
            if let Some(factor) = factor {
                degree = degree.saturating_add(1);
                if degree > MAX_DEGREE {
                    return Err(too_complex());
                }
                product = product.checked_mul(&factor).ok_or_else(too_complex)?;
            }
            if !self.eat('*') {
                break;
            }
        }
        let coefficient = i64::try_from(coefficient).map_err(|_| too_complex())?;
        let coefficient = Size::fixed(coefficient);
        product.checked_mul(&coefficient).ok_or_else(too_complex)
    }

    /// `min(a, b)` or `floor_div(a, b)`.
    fn parts(
        &mut self,
        nesting: usize,
        make: impl Fn(&Size, &Size) -> Option<Size>,
    ) -> Parsed<Size> {
        let start = self.token();
        let too_complex = || start.error(ParseErrorKind::Size);
        let below = nesting.checked_sub(1).ok_or_else(too_complex)?;
        self.advance();
        self.mark('(')?;
        let a = self.nested_size(below)?;
        self.mark(',')?;
        let b = self.nested_size(below)?;
        self.mark(')')?;
        make(&a, &b).ok_or_else(too_complex)
    }

    fn function(&mut self) -> Parsed<()> {
        let (name, token) = self.at()?;
        let id = FunctionId(next_id(self.program.functions.len()));
        self.functions.entry(name).or_insert(id);
        self.lines.insert(Place::Function(id), token.line);
        let (path, own) = split(name);
        self.owners.push((id, Later { name: path, token }));
        let arguments = if self.eat_word("record") {
            Arguments::Record(self.name("a record's name")?)
        } else {
            Arguments::Plain
        };
        let mut function = Function {
            name: own.to_owned(),
            module: ModuleId(u32::MAX),
            arguments,
            input_names: Vec::new(),
            inputs: Vec::new(),
            values: Vec::new(),
            nodes: Vec::new(),
            outputs: Vec::new(),
        };
        let inputs = self.list('(', ')', |parser| {
            let name = parser.name("an input's name")?;
            Ok((name, parser.definition(&mut function.values)?))
        })?;
        (function.input_names, function.inputs) = inputs.into_iter().unzip();
        self.arrow()?;
        function.outputs = self.list('(', ')', Self::value)?;
        self.mark('{')?;
        while !self.eat('}') {
            let line = self.token().line;
            self.lines
                .insert(Place::Node(id, function.nodes.len()), line);
            let node = self.node(id, function.nodes.len(), &mut function.values)?;
            for output in &node.outputs {
                self.lines.insert(Place::Value(id, *output), line);
            }
            function.nodes.push(node);
        }
        for input in &function.inputs {
            self.lines.insert(Place::Value(id, *input), token.line);
        }
        self.program.functions.push(function);
        Ok(())
    }

    /// `%3: f32[$N]`, which must be the next value.
    fn definition(&mut self, values: &mut Vec<ValueType>) -> Parsed<ValueId> {
        let token = self.token();
        let id = self.value()?;
        if id.index() != values.len() {
            let kind = ParseErrorKind::ValueNumber {
                expected: values.len(),
                got: id.0,
            };
            return Err(token.error(kind));
        }
        self.mark(':')?;
        values.push(if self.eat_word("int") {
            ValueType::Int(self.symbol()?)
        } else {
            ValueType::Tensor(self.tensor_type()?)
        });
        Ok(id)
    }

    fn node(
        &mut self,
        function: FunctionId,
        position: usize,
        values: &mut Vec<ValueType>,
    ) -> Parsed<Node> {
        let mut outputs = Vec::new();
        if let Token::Value(_) = self.peek() {
            loop {
                outputs.push(self.definition(values)?);
                if !self.eat(',') {
                    break;
                }
            }
            self.mark('=')?;
        }
        if self.eat_word("weight") {
            let op = Op::Weight(self.weight_name()?);
            return Ok(Node {
                op,
                inputs: Vec::new(),
                outputs,
            });
        }
        if self.eat_word("symbol") {
            let op = Op::Symbol(self.symbol()?);
            return Ok(Node {
                op,
                inputs: Vec::new(),
                outputs,
            });
        }
        let op = if self.eat_word("call") {
            let (name, token) = self.at()?;
            self.calls.push((function, position, Later { name, token }));
            Op::Call(FunctionId(u32::MAX))
        } else if self.eat_word("scan") {
            let (name, token) = self.at()?;
            self.calls.push((function, position, Later { name, token }));
            Op::Scan(self.scan(FunctionId(u32::MAX))?)
        } else {
            self.op()?
        };
        let inputs = self.list('(', ')', Self::value)?;
        Ok(Node {
            op,
            inputs,
            outputs,
        })
    }

    fn resolve(&mut self) -> Parsed<()> {
        for (module, later) in core::mem::take(&mut self.children) {
            let child = later.find("module", &self.modules)?;
            if let Some(module) = self.program.modules.get_mut(module.index()) {
                module.children.push(child);
            }
        }
        for (place, later) in core::mem::take(&mut self.cases) {
            let target = later.find("function", &self.functions)?;
            if let Place::Case(module, method, case) = place {
                let module = self.program.modules.get_mut(module.index());
                let method = module.and_then(|module| module.methods.get_mut(method));
                if let Some(case) = method.and_then(|method| method.cases.get_mut(case)) {
                    case.function = target;
                }
            }
        }
        for (id, later) in core::mem::take(&mut self.owners) {
            let module = later.find("module", &self.modules)?;
            if let Some(function) = self.program.functions.get_mut(id.index()) {
                function.module = module;
            }
        }
        for (id, position, later) in core::mem::take(&mut self.calls) {
            let target = later.find("function", &self.functions)?;
            let function = self.program.functions.get_mut(id.index());
            let node = function.and_then(|one| one.nodes.get_mut(position));
            if let Some(callee) = node.and_then(|node| node.op.callee_mut()) {
                *callee = target;
            }
        }
        Ok(())
    }
}
