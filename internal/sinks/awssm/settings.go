package awssm

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/rotatord/rotatord/internal/secret"
)

// variablePattern matches what the SDK calls by its name.
var variablePattern = regexp.MustCompile(`AWS_[A-Z0-9_]+`)

// whereToLook says where to look when the SDK's configuration cannot be loaded: at the
// variables that its error names, or repeats the value of, or is known to be
// about, and at the shared files where they may be it.
func whereToLook(text string, env secret.Environment) string {
	names := variablePattern.FindAllString(text, -1)
	for name, words := range silentVariables() {
		if value := env.Get(name); value != "" && (strings.Contains(text, value) || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 || strings.Contains(text, "profile") || strings.Contains(text, "shared config") {
		names = append(names, sharedFiles(env)...)
	}
	return "look at " + strings.Join(names, ", ") +
		": files are read again at each try, variables when rotatord starts"
}

// silentVariables are the variables that the SDK may refuse without naming them, with
// words of the errors that are about them.
func silentVariables() map[string][]string {
	return map[string][]string{
		"AWS_PROFILE":                 nil,
		"AWS_CA_BUNDLE":               {"CA bundle"},
		"AWS_WEB_IDENTITY_TOKEN_FILE": {"role ARN is not set"},
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": {
			"invalid URL", "local HTTP cred provider URL", "failed to resolve host", "invalid endpoint host",
		},
		"AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": {"min request compression size bytes"},
	}
}

// sharedFiles are the paths of the SDK's shared files.
func sharedFiles(env secret.Environment) []string {
	return []string{
		cmp.Or(env.Get("AWS_CONFIG_FILE"), config.DefaultSharedConfigFilename()),
		cmp.Or(env.Get("AWS_SHARED_CREDENTIALS_FILE"), config.DefaultSharedCredentialsFilename()),
	}
}
