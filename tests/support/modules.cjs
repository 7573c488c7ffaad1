// Tells what TypeScript's compiler reads in modules. Arguments: the compiler's lib folder. Standard input: a JSON object
// with pairs of texts; standard output, for each: whether both are the same code, and what it imports when it is loaded.
const ts = require(`${process.argv[2]}/typescript.js`);

const printer = ts.createPrinter({ removeComments: true });
const parse = (text) => ts.createSourceFile("module.js", text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
const told = {};
for (const [path, texts] of Object.entries(JSON.parse(require("node:fs").readFileSync(0, "utf8")))) {
  const [written, served] = texts.map(parse);
  told[path] = {
    same: printer.printFile(written) === printer.printFile(served) && written.parseDiagnostics.length === 0,
    imports: written.statements.flatMap((statement) => statement.moduleSpecifier?.text ?? []),
  };
}
process.stdout.write(JSON.stringify(told));
