package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/timefmt"
)

func (a *app) historyCommand() *cobra.Command {
	var limit int
	cmd := a.listing(&cobra.Command{
		Use:   "history [RELAY[/TYPE]]",
		Short: "Show what was done, when, by whom",
		Args:  usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > adminapi.MaxHistory {
				return errUsage{fmt.Errorf("-n takes a number from 1 to %d, not %d", adminapi.MaxHistory, limit)}
			}
			events, err := a.client().History(cmd.Context(), strings.Join(args, ""), limit)
			if err != nil {
				return err
			}
			return a.printHistory(events)
		},
	})
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "show at most so many, newest first")
	return cmd
}

func (a *app) printHistory(events []slot.Event) error {
	rows := make([][]string, len(events))
	for i, e := range events {
		rows[i] = []string{
			timefmt.Stamp(e.At), e.Slot, string(e.Kind), string(e.Cause), orDash(e.By), took(e), orDash(e.TokenID), detail(e),
		}
	}
	return a.print(events, "TIME\tSLOT\tWHAT\tCAUSE\tBY\tTOOK\tTOKEN\tDETAIL", rows)
}

func took(e slot.Event) string {
	if e.Took == 0 {
		return "-"
	}
	return e.Took.Round(time.Millisecond).String()
}

func detail(e slot.Event) string {
	if e.Stage != "" {
		return string(e.Stage) + ": " + e.Detail
	}
	return e.Detail
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
