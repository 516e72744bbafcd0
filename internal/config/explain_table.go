package config

const quoteIt = "put it in quotes"

// knownMessage is one of the library's.
type knownMessage struct {
	message string
	explanation
}

// knownMessages lists those for which nothing in the line itself says more.
func knownMessages() []knownMessage {
	return []knownMessage{
		{"exceeded max depth", explanation{"this is nested too deeply", ""}},
		{"control characters are not allowed", explanation{"this is a control character",
			"write it as an escape in double quotes, or remove it"}},
		{"mapping values are not allowed", explanation{"this line is indented below a key that has a value already",
			"indent it like the key above, or remove that value"}},
		{"block sequence entries are not allowed", explanation{"a list does not begin behind a key",
			"begin it on the next line, or write [one, two]"}},
		{"did not find expected <document start>", explanation{"something stands behind the end of the configuration",
			"is there a bracket too many?"}},
		{"did not find expected '-' indicator", explanation{"another entry of the list is expected here",
			"indent it like the entries above"}},
		{"did not find expected key", explanation{"a key is expected here", "indent it like the keys around it"}},
		{"unknown escape character", explanation{"a backslash begins an escape in double quotes",
			"use single quotes, or write \\\\"}},
	}
}

// misreading is a kind of value, by how it begins.
type misreading struct {
	pattern string
	explanation
}

// misreadings lists the values that people write without the quotes that they need.
func misreadings() []misreading {
	return []misreading{
		{`@`, explanation{"a value cannot begin with @", quoteIt}},
		{"`", explanation{"a value cannot begin with `", quoteIt}},
		{`%`, explanation{"a value cannot begin with %", quoteIt}},
		{`\*`, explanation{"a value cannot begin with *", quoteIt}},
		{`&`, explanation{"a value cannot begin with &", quoteIt}},
		{`!`, explanation{"a value cannot begin with !", quoteIt}},
		{`[|>]\S`, explanation{"a value cannot begin with | or >", quoteIt}},
		{`[\]},]`, explanation{"a value cannot begin with a bracket or a comma", quoteIt}},
		{`\{\{`, explanation{"a value that begins with {{ is taken for a mapping", quoteIt}},
		{`\[[^\]]*\]` + more, explanation{"a value that begins with [ is taken for a list", quoteIt}},
		{`\{[^}]*\}` + more, explanation{"a value that begins with { is taken for a mapping", quoteIt}},
		{`(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s+[\w-]+:\s`, explanation{"a comma is missing behind this value",
			"write {one: a, two: b}"}},
		{`"(?:[^"\\]|\\.)*"` + more, explanation{"something stands behind the closing quote",
			"put all of it in single quotes"}},
		{`'(?:[^']|'')*'` + more, explanation{"something stands behind the closing quote",
			"put all of it in double quotes"}},
		{`[^"'\[{#,]+:\s`, explanation{"a colon and a blank within a value make it a key", quoteIt}},
	}
}

// more is what ends neither an entry nor the mapping or list that it is in.
const more = `\s*(?::\S|[^\s,#}\]:])`
