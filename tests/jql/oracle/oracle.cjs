// What Atlassian's own parser says. Reads a JSON array of strings from standard input and prints one of
//   null                       it refuses the text
//   {or, and, first}           how many parts the top-level OR and its first AND have, and the text
//                              (without white space) of the first part of that AND; zeros when no WHERE
// for each. The path of node_modules is the only argument.
const path = require("node:path");
const from = require("node:module").createRequire(path.join(process.argv[2], "..", "oracle.cjs"));
const { CharStreams, CommonTokenStream } = from("antlr4ts");
const { JQLLexer, JQLParser } = from("@atlaskit/jql-parser");

class Refused extends Error {}
const strict = { syntaxError() { throw new Refused(); } };

function asked(text) {
  const lexer = new JQLLexer(CharStreams.fromString(text));
  lexer.removeErrorListeners();
  lexer.addErrorListener(strict);
  const parser = new JQLParser(new CommonTokenStream(lexer));
  parser.removeErrorListeners();
  parser.addErrorListener(strict);
  let query;
  try {
    query = parser.jqlQuery();
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
  const where = query.jqlWhere();
  if (!where) return { or: 0, and: 0, first: "" };
  const ands = where.jqlOrClause().jqlAndClause();
  const parts = ands[0].jqlNotClause();
  return { or: ands.length, and: parts.length, first: parts[0].text };
}

const texts = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(texts.map(asked)));
