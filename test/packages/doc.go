// Package packages tests the .deb and the .rpm: installed, started, reloaded, upgraded, removed and
// purged on machines of their own. `make test-packages` builds the packages and runs it, as root.
package packages
