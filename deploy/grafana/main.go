// Command grafana writes the dashboard, rotatord.json: `make dashboard` calls it. What is shown is listed row by row in
// overview.go, ages.go, durations.go, sinks.go, cloudflare.go and daemon.go; the rest draws it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func main() {
	file := flag.String("o", "rotatord.json", "the `file` to write")
	flag.Parse()
	if err := write(*file); err != nil {
		fmt.Fprintln(os.Stderr, "the dashboard was not written:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func write(file string) error {
	text, err := encode()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644) //nolint:gosec // everybody may read a dashboard
}

// encode returns the dashboard as Grafana imports it.
func encode() ([]byte, error) {
	board, err := build()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(board, "", "  ")
	return append(text, '\n'), err
}
