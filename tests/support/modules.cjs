// Tells what TypeScript's compiler reads in modules. Arguments: the compiler's lib folder. Standard input: a JSON object
// with pairs of texts; standard output, for each: whether both are the same code but for space and comments, and what it
// imports when it is loaded.
const ts = require(`${process.argv[2]}/typescript.js`);

const parse = (text) => ts.createSourceFile("module.js", text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
const told = {};
for (const [path, texts] of Object.entries(JSON.parse(require("node:fs").readFileSync(0, "utf8")))) {
  const [written, served] = texts.map(parse);
  told[path] = {
    same: String(tokens(written)) === String(tokens(served)) && served.parseDiagnostics.length === 0,
    imports: written.statements.flatMap((statement) => statement.moduleSpecifier?.text ?? []),
  };
}
process.stdout.write(JSON.stringify(told));

function tokens(file, node = file) {
  if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return [];
  const inside = node.getChildren(file);
  return inside.length ? inside.flatMap((child) => tokens(file, child)) : [node.getText(file)];
}
