// Package all is the registry of sinks: the one place that names each. A new sink is one line here;
// nothing else in the program asks which there are.
package all

import (
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm"
	"github.com/rotatord/rotatord/internal/sinks/file"
	"github.com/rotatord/rotatord/internal/sinks/vault"
)

// Specs gives, for each type of sink, a function that makes a configuration
// with the documented defaults.
func Specs() map[string]func() sinks.Spec {
	return map[string]func() sinks.Spec{
		file.Type:  func() sinks.Spec { return file.NewConfig() },
		vault.Type: func() sinks.Spec { return vault.NewConfig() },
		awssm.Type: func() sinks.Spec { return awssm.NewConfig() },
	}
}
