package daemon

import (
	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/sinks/file"
)

// descriptors are how many of what the process may have open at once each use may
// take: who has no room waits for it, and nobody takes another's. 0: no bound of ours.
type descriptors struct {
	connections int // of one account or sink, to one host
	files       int // calls of one file sink
	pages       int // connections to the listener
}

const (
	ownDescriptors = 24 // journal, log, listeners, folders, Go's own
	perConnection  = 2  // a dial tries two addresses at a time, and asks a name server
	perFile        = 4  // the folder; a temporary file, written and held; a look at its name

	leastPages = 8 // a browser keeps six open
	mostPages  = 512
)

// shareDescriptors divides limit among the clients and the file sinks of a configuration: four
// tenths for calls, three for files, two for who looks at the pages. The least is one each.
func shareDescriptors(limit, clients, fileSinks int) descriptors {
	spare := max(limit-ownDescriptors, 0)
	each := func(tenths, cost, users int) int { return max(1, spare*tenths/10/cost/max(users, 1)) }
	return descriptors{
		connections: each(4, perConnection, clients),
		files:       each(3, perFile, fileSinks),
		pages:       min(max(each(2, 1, 1), leastPages), mostPages),
	}
}

// descriptorsFor reads the process's limit, which Go's runtime has raised as far as it may.
func descriptorsFor(cfg *config.Config) descriptors {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return descriptors{}
	}
	files := 0
	for _, s := range cfg.Sinks {
		if s.Shared().Type == file.Type {
			files++
		}
	}
	most := int(min(limit.Cur, 1<<20))
	return shareDescriptors(most, len(cfg.Accounts)+len(cfg.Sinks)-files, files)
}
