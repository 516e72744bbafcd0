// Command build builds servers of tests beforehand: each argument is the folder of
// a module, such as test/vaultserver.
package main

import (
	"fmt"
	"os"

	"github.com/rotatord/rotatord/test/servers"
)

func main() {
	for _, module := range os.Args[1:] {
		path, err := servers.Build(module)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(path)
	}
}
