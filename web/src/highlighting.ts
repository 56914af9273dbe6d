// Colours of the text. Only colours: what a filter means is the server's to say.
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";

const KEYWORDS =
  /^(?:AND|OR|NOT|ANY|NO|NONE|ALL|IN|IS|MISSING|NULL|EMPTY|BETWEEN|CONTAINS|STARTS|ENDS|WITH|HAS|WHERE|BY|DESC|LAST|NEXT|THIS|DAYS?|WEEKS?|MONTHS?|QUARTERS?|YEARS?|SEGMENT|COUNT|SUM|AVG|MIN|MAX|FIRST|today|yesterday|tomorrow|true|false)\b/i;

const language = StreamLanguage.define({
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/^'(?:[^']|'')*'?/) || stream.match(/^"(?:[^"]|"")*"?/)) return "string";
    if (stream.match(/^\d{4}-\d\d-\d\d/) || stream.match(/^\d[\d_]*(?:\.\d+)?[kKmM%]?/)) return "number";
    if (stream.match(/^\$\w+/)) return "meta";
    if (stream.match(KEYWORDS)) return "keyword";
    if (stream.match(/^[A-Za-z_][\w.]*/)) return "propertyName";
    if (stream.match(/^(?:!=|<=|>=|[=<>+*/-])/)) return "operator";
    stream.next();
    return null;
  },
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--code-keyword)", fontWeight: "600" },
  { tag: tags.string, color: "var(--code-text)" },
  { tag: tags.number, color: "var(--code-number)" },
  { tag: tags.meta, color: "var(--code-number)" },
  { tag: tags.operator, color: "var(--muted)" },
]);

export const highlighting = [language, syntaxHighlighting(colours)];
