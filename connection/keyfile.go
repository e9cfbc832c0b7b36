package connection

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// LoadKey reads a private key file: PEM, PKCS#8 or PKCS#1, not encrypted. A file that others than its owner may
// read or write is refused, since whoever has the key is the agent.
func LoadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("connection: key file %s: %w", path, err)
	}
	if mode := info.Mode(); !mode.IsRegular() {
		return nil, fmt.Errorf("connection: key file %s must be a regular file", path)
	} else if mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("connection: key file %s has mode %04o, nobody but its owner may have access: chmod 600 %[1]s",
			path, mode.Perm())
	}
	if info.Size() > 64<<10 {
		return nil, fmt.Errorf("connection: key file %s of %d bytes must have at most 65536", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("connection: key file %s: %w", path, err)
	}
	k, err := ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("connection: key file %s: %w", path, err)
	}
	return k, nil
}

// LoadOrCreateKey is [LoadKey], or, where no file of that name is, makes a new key and two files: the private key
// (mode 0600) and beside it the public one (mode 0644), the same name with the ending .pub, as an OpenSSH line. The
// private file appears whole or not at all and is synced; an existing one is never overwritten, also when another
// process makes it at the same time: then that one is loaded. A missing public file is written again; one
// of another key is an error.
func LoadOrCreateKey(path string) (*Key, error) {
	k, err := LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		k, err = createKey(path)
	}
	if err != nil {
		return nil, err
	}
	if err := writePublic(path, k.Public()); err != nil {
		return nil, err
	}
	return k, nil
}

// writePublic writes the public file beside a private one, unless it is there.
func writePublic(path string, k PublicKey) error {
	public := strings.TrimSuffix(path, filepath.Ext(path)) + ".pub"
	if public == path {
		public += ".pub"
	}
	err := writeNew(public, []byte(k.String()), 0o644)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("connection: public key file: %w", err)
	}
	// One of another key would be registered at the hub by mistake.
	text, err := os.ReadFile(public)
	if err != nil {
		return fmt.Errorf("connection: public key file: %w", err)
	}
	if other, err := ParsePublicKey(string(text)); err != nil || !other.Equal(k) {
		return fmt.Errorf("connection: public key file %s does not belong to the key in %s: "+
			"delete it to have it written again", public, path)
	}
	return nil
}

func createKey(path string) (*Key, error) {
	k, err := GenerateKey()
	if err != nil {
		return nil, err
	}
	text, err := k.MarshalPEM()
	if err != nil {
		return nil, err
	}
	switch err := writeNew(path, text, 0o600); {
	case errors.Is(err, fs.ErrExist):
		return LoadKey(path) // another process was faster
	case err != nil:
		return nil, fmt.Errorf("connection: key file: %w", err)
	}
	return k, nil
}

// writeNew makes a file with its content in one step, or fails with fs.ErrExist. The content goes to a temporary
// file first, which a link then names: unlike a rename a link never replaces what is there.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600 from the start
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Some file systems cannot sync a directory; the file itself is safe by now.
	_ = d.Sync()
	return d.Close()
}
