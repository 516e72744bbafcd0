package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/redact"
)

// listing adds -o to a verb that lists something.
func (a *app) listing(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "table or json")
	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.output != "table" && a.output != "json" {
			return errUsage{fmt.Errorf("-o takes table or json, not %q", a.output)}
		}
		return inner(cmd, args)
	}
	return cmd
}

// print writes v as JSON, or rows as a table under their heading. Whatever is in it, it steers no terminal.
func (a *app) print(v any, heading string, rows [][]string) error {
	if a.output == "json" {
		doc, err := json.MarshalIndent(v, "", "  ")
		if err == nil {
			_, err = a.out.Write(append(redact.JSON(doc), '\n'))
		}
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, heading)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				_, _ = io.WriteString(t, "\t")
			}
			_, _ = io.WriteString(t, redact.Printable(cell))
		}
		_, _ = io.WriteString(t, "\n")
	}
	return t.Flush()
}

// say writes a line or more. What is in args stays on its line, and steers no terminal.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.out, format+"\n", linesOf(args)...)
}

// warn says a line beside what a verb prints.
func (a *app) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(a.err, "rotatord: "+format+"\n", linesOf(args)...)
}

// linesOf returns args with every text on one line.
func linesOf(args []any) []any {
	out := slices.Clone(args)
	for i, arg := range out {
		switch v := arg.(type) {
		case string:
			out[i] = redact.Printable(v)
		case error:
			out[i] = redact.Printable(v.Error())
		}
	}
	return out
}

// count returns so many of something: "1 slot", "3 slots".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
