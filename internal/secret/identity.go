package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/rotatord/rotatord/internal/durable"
)

const identityPrefix = "AGE-SECRET-KEY-1"

// Identity seals values for a disk and opens them again: one or several age X25519 keys, of which the first
// seals and all open. What it seals the ordinary age tool opens with the same keys. It prints as Redacted. It
// is immutable and safe for concurrent use.
type Identity struct {
	keys   []*age.X25519Identity // one at least
	sealer *sealer
}

func newIdentity(keys ...*age.X25519Identity) (*Identity, error) {
	s, err := newSealer(keys[0].Recipient())
	return &Identity{keys, s}, err
}

// GenerateIdentity makes a new identity, in memory only.
func GenerateIdentity() (*Identity, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make an age identity: %w", err)
	}
	return newIdentity(key)
}

// LoadIdentity reads an identity from a file of keys as age-keygen writes them. A file that
// others may have read is refused; who counts as such, access says.
func LoadIdentity(path string, access Access) (*Identity, error) {
	text, err := readPrivate(path, access)
	if errors.Is(err, fs.ErrPermission) { // as root leaves it who puts one back, or makes a new one
		err = fmt.Errorf("%w (rotatord runs as %d: let that user read it, with chown and mode 0600)", err, access.uid)
	}
	if err != nil {
		return nil, fmt.Errorf("read age identity %s: %w", path, err)
	}
	id, err := parseIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("read age identity %s: %w", path, err)
	}
	return id, nil
}

func readPrivate(path string, access Access) (string, error) {
	return readJudged(path, func(f *os.File, info fs.FileInfo) error {
		if !info.Mode().IsRegular() {
			return errors.New("it is not a regular file")
		}
		return access.checkIdentity(f, info)
	})
}

// parseIdentity finds the keys between comments. Errors of the age library are not
// passed on: they quote parts of what they cannot read, which is the key.
func parseIdentity(text string) (*Identity, error) {
	var keys []*age.X25519Identity
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := age.ParseX25519Identity(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is no age X25519 key: it must be %s…, as age-keygen writes it", n, identityPrefix)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it: restore it from a backup, or put the output of age-keygen there")
	}
	return newIdentity(keys...)
}

// CreateIdentity makes a new identity and keeps it in a new file at path, mode 0600,
// durably. It fails with fs.ErrExist when something is at path already, and leaves
// no half-written file there, whatever happens.
func CreateIdentity(path string) (*Identity, error) {
	id, err := GenerateIdentity()
	if err != nil {
		return nil, err
	}
	if err := id.save(path); err != nil {
		return nil, fmt.Errorf("make age identity %s: %w", path, err)
	}
	return id, nil
}

// Restore keeps the identity in a new file at path again, as CreateIdentity does, where
// its file was deleted.
func (i Identity) Restore(path string) error {
	if err := i.save(path); err != nil {
		return fmt.Errorf("write age identity %s anew: %w", path, err)
	}
	return nil
}

func (i Identity) save(path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".identity-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.WriteString(i.fileText(time.Now()))
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	err = durable.Kernel().Publish(temp.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: an identity is never replaced, since only it opens what it sealed", fs.ErrExist)
	}
	return err
}

// fileText is what the identity's file holds, as age-keygen writes it.
func (i Identity) fileText(now time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# created: %s\n", now.UTC().Format(time.RFC3339))
	for _, key := range i.keys {
		fmt.Fprintf(&text, "# public key: %s\n%s\n", key.Recipient(), key)
	}
	return text.String()
}

// Recipient is the public key of what seals, for encrypting to the identity.
func (i Identity) Recipient() string { return i.keys[0].Recipient().String() }

// Opens reports whether the identity opens what is sealed for a recipient.
func (i Identity) Opens(recipient string) bool {
	return slices.ContainsFunc(i.keys, func(key *age.X25519Identity) bool { return key.Recipient().String() == recipient })
}

// Seal encrypts v; only the same identity opens it.
func (i Identity) Seal(v Value) ([]byte, error) {
	sealed, err := i.sealer.sealBytes([]byte(v.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("seal a value: %w", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made. It fails when another identity sealed it, or when a
// byte was changed.
func (i Identity) Open(sealed []byte) (Value, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), i.ageIdentities()...)
	var other *age.NoIdentityMatchError
	switch {
	case errors.As(err, &other):
		return Value{}, errors.New("open a sealed value: another age identity sealed it: put that identity file back")
	case err != nil:
		return Value{}, fmt.Errorf("open a sealed value: %w", err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return Value{}, fmt.Errorf("open a sealed value: %w", err)
	}
	return New(string(text)), nil
}

func (i Identity) ageIdentities() []age.Identity {
	out := make([]age.Identity, len(i.keys))
	for n, key := range i.keys {
		out[n] = key
	}
	return out
}

// DeriveKey returns a key of 32 bytes that follows from what seals and a label: always the same, and of no use for
// finding the identity or the key of another label.
func (i Identity) DeriveKey(label string) (Value, error) { return deriveFrom(i.keys[0], label) }

// DeriveKeys is DeriveKey for each key of the identity: the first is that of what seals.
func (i Identity) DeriveKeys(label string) ([]Value, error) {
	out := make([]Value, len(i.keys))
	for n, key := range i.keys {
		var err error
		if out[n], err = deriveFrom(key, label); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func deriveFrom(key *age.X25519Identity, label string) (Value, error) {
	derived, err := hkdf.Key(sha256.New, []byte(key.String()), nil, label, derivedSize)
	if err != nil {
		return Value{}, fmt.Errorf("derive a key: %w", err)
	}
	return New(string(derived)), nil
}

const derivedSize = 32

// String implements fmt.Stringer; it hides the key.
func (i Identity) String() string { return Redacted }

// Format implements fmt.Formatter, so that no verb or flag reaches the key.
func (i Identity) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, Redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON, YAML and the logger honour.
func (i Identity) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
