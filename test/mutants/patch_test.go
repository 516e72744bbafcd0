package main

import (
	"strings"
	"testing"
)

const source = `package p

func one() int {
	return 1
}

func two() int {
	return 2
}
`

func diff(hunks ...string) string { return "--- a/p.go\n+++ b/p.go\n" + strings.Join(hunks, "") }

func TestAPatchChangesWhatStandsInTheCodeOnce(t *testing.T) {
	const absent, twice = "what it changes stands 0 times in p.go", "what it changes stands 2 times in p.go"
	for name, c := range map[string]struct{ text, want, refused string }{
		"a line is replaced": {
			text: diff("@@ -3,3 +3,3 @@ func one\n func one() int {\n-\treturn 1\n+\treturn 0\n }\n"),
			want: strings.Replace(source, "return 1", "return 0", 1),
		},
		"a line is removed, and one added elsewhere": {
			text: diff("@@ -4 +3,0 @@\n-\treturn 1\n", "@@ -8 +7,2 @@\n+\tone()\n \treturn 2\n"),
			want: strings.NewReplacer("\treturn 1\n", "", "\treturn 2", "\tone()\n\treturn 2").Replace(source),
		},
		"lines have moved": {
			text: diff("@@ -70,2 +70,2 @@\n func two() int {\n-\treturn 2\n+\treturn 0\n"),
			want: strings.Replace(source, "return 2", "return 0", 1),
		},
		"an empty line of the context has lost its space": {
			text: diff("@@ -5,3 +5,2 @@\n }\n\n-func two() int {\n+func too() int {\n"),
			want: strings.Replace(source, "two", "too", 1),
		},
		"the first line is part of it": {
			text: diff("@@ -1 +1 @@\n-package p\n+package q\n"),
			want: strings.Replace(source, "package p", "package q", 1),
		},
		"the code is another by now":    {text: diff("@@ -4 +4 @@\n-\treturn 3\n+\treturn 0\n"), refused: absent},
		"the context is another by now": {text: diff("@@ -4,2 +4,2 @@\n func one() uint {\n-\treturn 1\n+\treturn 0\n"), refused: absent},
		"only a part of a line is it":   {text: diff("@@ -4 +4 @@\n-return 1\n+return 0\n"), refused: absent},
		"it could be in two places":     {text: diff("@@ -5,0 +5,1 @@\n }\n+// end\n"), refused: twice},
		"it could be in two places that touch": {
			text: strings.ReplaceAll(diff("@@ -1 +1 @@\n-\tx()\n \tx()\n"), "p.go", "x.go"), refused: "what it changes stands 2 times in x.go",
		},
		"a hunk that changes nothing":   {text: diff("@@ -4 +4 @@\n \treturn 1\n"), refused: "a hunk changes nothing in p.go"},
		"no hunk":                       {text: diff(), refused: "it changes nothing in p.go"},
		"no file":                       {text: "", refused: "it changes no file"},
		"a hunk without a file":         {text: "@@ -4 +4 @@\n-\treturn 1\n", refused: "a hunk belongs to no file"},
		"a new name":                    {text: "--- a/p.go\n+++ b/q.go\n", refused: `"+++ b/q.go" follows --- a/p.go`},
		"a line that is none of a hunk": {text: diff("@@ -4 +4 @@\n*\treturn 1\n"), refused: "begins with neither space, - nor +"},
		"a line before the hunks":       {text: diff("index 1..2\n"), refused: `"index 1..2" stands outside a hunk`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := applied(c.text)
			switch {
			case c.refused == "" && (err != nil || got != c.want):
				t.Errorf("got %v and\n%s\nwant\n%s", err, got, c.want)
			case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("refused with %v, want %q", err, c.refused)
			}
		})
	}
}

func applied(text string) (string, error) {
	p, err := parsePatch(text)
	if err != nil {
		return "", err
	}
	src := map[string]string{"p.go": source, "x.go": strings.Repeat("\tx()\n", 3)}
	return p[0].apply(src[p[0].path])
}
