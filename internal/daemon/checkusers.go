package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/web"
)

// usualUser is the one that the packaged unit runs rotatord as.
const usualUser = "rotatord"

// checkUsers are who looks at files and environment: a check does as self, rotatord will as service. They may see other
// things.
type checkUsers struct {
	self, service localUser
	trace         string // what tells of service; empty: nothing does
}

// localUser is a user of this machine.
type localUser struct {
	uid  uint32
	name string
}

func (u localUser) String() string { return u.name }

func localUserOf(uid uint32) localUser {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return localUser{uid, u.Username}
	}
	return localUser{uid, "uid " + id}
}

// findCheckUsers goes by what the daemon, or an earlier one, has left on this machine.
func findCheckUsers(self uint32, cfg *config.Config, socket adminapi.Address) checkUsers {
	users := checkUsers{self: localUserOf(self)}
	if uid, ok := socket.Owner(); ok {
		users.service, users.trace = localUserOf(uid), "the owner of "+socket.Path
	} else if info, err := os.Stat(cfg.State.Path); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			users.service, users.trace = localUserOf(st.Uid), "the owner of "+cfg.State.Path
		}
	} else if u, err := user.Lookup(usualUser); err == nil {
		if uid, err := strconv.ParseUint(u.Uid, 10, 32); err == nil {
			users.service, users.trace = localUser{uint32(uid), u.Username}, "as the packaged unit has it"
		}
	}
	return users
}

// differs reports whether rotatord is another user than this.
func (u checkUsers) differs() bool { return u.trace != "" && u.self.uid != u.service.uid }

// checkHere looks at what is of this machine and of no slot.
func (c *online) checkHere() {
	c.users = findCheckUsers(uint32(c.UID), c.cfg, c.Socket)
	if !c.users.differs() && c.cfg.Server.WebConfigFile == "" {
		return
	}
	c.found(Heading, "this machine")
	c.tellCheckUsers()
	c.checkWebConfig()
}

// tellCheckUsers says what this user cannot judge. A daemon that runs is asked about it.
func (c *online) tellCheckUsers() {
	u := c.users
	who := fmt.Sprintf("this is %s, and rotatord runs as %s (%s)", u.self, u.service, u.trace)
	switch {
	case !u.differs():
	case c.daemon != nil:
		c.found(Note, "%s: what depends on its user, files and environment is asked of the daemon", who)
	default:
		c.found(Warning, "%s, and no daemon answers. Not judged: whether %s may %s, and which environment and home it has. "+
			"Run this as that user, or while the daemon runs", who, u.service, c.whatFilesAreFor())
	}
}

func (c *online) whatFilesAreFor() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Sinks)) {
		if sinks.IsOnThisMachine(c.cfg.Sinks[name]) {
			names = append(names, name)
		}
	}
	const read = "read the files that the configuration names"
	if len(names) == 0 {
		return read
	}
	return "write where " + strings.Join(names, ", ") + " keeps tokens and " + read
}

func (c *online) isOnThisMachine(t slot.Target) bool {
	return sinks.IsOnThisMachine(c.cfg.Sinks[t.Sink])
}

func (c *online) checkWebConfig() {
	file := c.cfg.Server.WebConfigFile
	if file == "" {
		return
	}
	switch err := web.CheckConfigFile(file); {
	case err == nil:
		c.found(OK, "server.web_config_file %s can be served by", file)
	case errors.Is(err, fs.ErrPermission) && c.users.differs():
		c.found(Warning, "%v; not judged: %s may see it otherwise", err, c.users.service)
	default:
		c.found(Failed, "%v", err)
	}
}

// isHereAlone reports whether an error may be of this user and its environment.
func (c *online) isHereAlone(t slot.Target, err error) bool {
	switch fault.Of(err).Reason {
	case fault.Setup, fault.Unauthorized:
		return true
	case fault.Forbidden:
		return c.isOnThisMachine(t)
	}
	return false
}

// checkTargetAsDaemon says what the daemon found at a target, and reports whether there is one that has looked.
func (c *online) checkTargetAsDaemon(p *slot.Plan, t slot.Target, where string) bool {
	st, known := c.statusOf(p, t)
	switch {
	case !known || st.Checked.IsZero() && st.Error == "":
		return false
	case st.Error == "" && !st.State.IsUnhealthy():
		c.found(OK, "%s: the daemon has looked at it and finds nothing wrong: %s", where, st.State)
	case t.Required:
		c.found(Failed, "%s: the daemon says of it: %s", where, describeTarget(st))
	default:
		c.found(Warning, "%s: the daemon says of it: %s (the sink is optional)", where, describeTarget(st))
	}
	return true
}

// describeTarget returns a target's state, with what is wrong with it.
func describeTarget(st slot.TargetStatus) string {
	if st.Error == "" {
		return string(st.State)
	}
	return string(st.State) + ": " + st.Error
}

// checkRelayAsDaemon has the daemon list a relay's tokens, where the API token cannot be read here.
func (c *online) checkRelayAsDaemon(ctx context.Context, relay string, plans []*slot.Plan, unread error) {
	c.relayUnknown[plans[0].Key.RelayID] = true
	if c.daemon == nil {
		c.found(Warning, "%v; not judged: %s may see it otherwise", unread, c.users.service)
		return
	}
	tokens, err := c.daemon.Tokens(ctx, relay)
	if err != nil {
		c.found(Failed, "the daemon says: %v", err)
		return
	}
	c.found(OK, "the daemon lists its %s; the API token cannot be read here", count(len(tokens), "token"))
	c.relayUnknown[plans[0].Key.RelayID] = false
	c.checkRoom(countOthers(tokens), plans)
}
