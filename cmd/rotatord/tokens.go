package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/timefmt"
)

func (a *app) tokensCommand() *cobra.Command {
	cmd := a.listing(&cobra.Command{
		Use:   "tokens RELAY",
		Short: "Show what a relay holds: owner, age, expiry, who serves it",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			tokens, err := a.client().Tokens(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printTokens(tokens)
		},
	})
	cmd.AddCommand(a.pruneCommand())
	return cmd
}

func (a *app) printTokens(tokens []adminapi.Token) error {
	now := time.Now()
	rows := make([][]string, len(tokens))
	for i, t := range tokens {
		rows[i] = []string{
			redact.Name(t.TokenID), namesOf(t.Operations), ownerWords(t), timefmt.Since(now, t.Created),
			timefmt.Until(now, t.Expires), timefmt.Until(now, t.Retire), orDash(strings.Join(t.ServedBy, ", ")),
		}
	}
	return a.print(tokens, "TOKEN\tRIGHTS\tOWNER\tAGE\tEXPIRES\tGRACE ENDS\tSERVED BY", rows)
}

func ownerWords(t adminapi.Token) string {
	switch t.Owner {
	case adminapi.Ours:
		return t.Slot
	case adminapi.Former:
		if t.Slot != "" {
			return t.Slot + ", no longer configured"
		}
		return "former token of this installation"
	case adminapi.ForeignInstance:
		return "another rotatord of this name"
	case adminapi.OtherInstance:
		return "rotatord " + redact.Name(t.Instance)
	}
	if t.Label != "" {
		return "others (" + redact.Label(t.Label) + ")"
	}
	return "others"
}

// namesOf joins names that others gave.
func namesOf(names []string) string {
	plain := make([]string, len(names))
	for i, n := range names {
		plain[i] = redact.Name(n)
	}
	return strings.Join(plain, "+")
}

func (a *app) pruneCommand() *cobra.Command {
	var yes bool
	var ids []string
	cmd := &cobra.Command{
		Use:   "prune RELAY",
		Short: "Revoke former tokens of this installation that no configured target holds",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := a.client()
			former, err := client.Prune(cmd.Context(), args[0], ids, true)
			if err != nil {
				return err
			}
			if !a.showPrunable(former) {
				return nil
			}
			if agreed, err := a.agreed(yes); err != nil || !agreed {
				return err
			}
			pruned, err := client.Prune(cmd.Context(), args[0], ids, false)
			for _, t := range pruned {
				if t.Revoked {
					a.say("revoked %s", t.TokenID)
				}
			}
			return err
		},
	}
	cmd.Flags().StringArrayVar(&ids, "token-id", nil, "revoke this token alone (may be repeated), though another rotatord of this name minted it")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask; without a terminal to ask on, nothing is revoked without it")
	return cmd
}

// showPrunable shows the former tokens, and reports whether any may be revoked.
func (a *app) showPrunable(former []adminapi.Token) (some bool) {
	if len(former) == 0 {
		a.say("the relay holds no former token of this installation")
		return false
	}
	_ = a.printTokens(former)
	kept := 0
	for _, t := range former {
		if t.Prunable {
			some = true
		} else {
			kept++
		}
	}
	if kept > 0 {
		a.say("\n%s will be kept: a sink holds it, or what a sink holds cannot be told (`rotatord status` shows which fails)", count(kept, "token"))
	}
	return some
}

// agreed reports whether what is shown may be revoked: because of --yes, or because a person says so.
func (a *app) agreed(yes bool) (bool, error) {
	switch {
	case yes:
		return true, nil
	case isTerminal(a.in):
		return a.confirmed(), nil
	}
	return false, errUsage{errors.New("nothing was revoked: there is no terminal to ask on; give --yes")}
}

func (a *app) confirmed() bool {
	_, _ = fmt.Fprint(a.out, "\nRevoke the tokens that no configured target holds? [y/N] ")
	var answer string
	_, _ = fmt.Fscanln(a.in, &answer)
	if strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes") {
		return true
	}
	a.say("nothing was revoked")
	return false
}
