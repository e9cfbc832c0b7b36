package clicontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Context is where a command connects and as whom. Any field may be empty.
type Context struct {
	// Hub is the hub's URL.
	Hub string `json:"hub,omitempty"`
	// User is the user's name.
	User string `json:"user,omitempty"`
	// Key is the path of the file with the private key, absolute in a file.
	Key string `json:"key,omitempty"`
}

// File is the contents of the file.
type File struct {
	// Current names the context that is used where nothing else is said; it may be empty.
	Current string `json:"current,omitempty"`
	// Previous is what Current was before.
	Previous string `json:"previous,omitempty"`
	// Contexts are all, by name.
	Contexts map[string]Context `json:"contexts"`
}

// ErrUnknown is wrapped where there is no context of a name.
var ErrUnknown = errors.New("there is no such context")

// Path returns where the file is: KOMSTREAM_CONFIG, or komstream/config.json in XDG_CONFIG_HOME or in the user's
// directory for configuration.
func Path(getenv func(string) string) (string, error) {
	if path := getenv("KOMSTREAM_CONFIG"); path != "" {
		return path, nil
	}
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // the XDG specification has relative ones ignored
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", fmt.Errorf("clicontext: no directory for the configuration: %w: set KOMSTREAM_CONFIG", err)
		}
	}
	return filepath.Join(dir, "komstream", "config.json"), nil
}

// Load reads the file. One that does not exist holds no contexts; one with an unknown field is an error.
func Load(path string) (File, error) {
	f := File{Contexts: map[string]Context{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("clicontext: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return f, fmt.Errorf("clicontext: file %s: %w: correct it or delete it", path, err)
	}
	if f.Contexts == nil {
		f.Contexts = map[string]Context{}
	}
	return f, nil
}

// Save writes the file, with mode 0600, making its directory. What is there is replaced as a whole or not at all.
func (f File) Save(path string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("clicontext: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("clicontext: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".config-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("clicontext: %w", err)
	}
	_, err = next.Write(append(text, '\n'))
	err = errors.Join(err, next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("clicontext: %w", errors.Join(err, os.Remove(next.Name())))
	}
	return nil
}

// Names returns the names of all contexts, sorted.
func (f File) Names() []string { return slices.Sorted(maps.Keys(f.Contexts)) }

// Set stores a context and makes it the current one.
func (f *File) Set(name string, c Context) error {
	if err := checkName(name); err != nil {
		return err
	}
	f.Contexts[name] = c
	return f.Use(name)
}

// Use makes a context the current one; "-" is the one that was current before.
func (f *File) Use(name string) error {
	if name == "-" {
		if name = f.Previous; name == "" {
			return errors.New("clicontext: no other context was current before")
		}
	}
	if _, err := f.Get(name); err != nil {
		return err
	}
	if name != f.Current {
		f.Previous, f.Current = f.Current, name
	}
	return nil
}

// Get returns a context; the error wraps [ErrUnknown].
func (f File) Get(name string) (Context, error) {
	c, ok := f.Contexts[name]
	if !ok {
		return c, fmt.Errorf("clicontext: context %q: %w: see `komstream context ls`", name, ErrUnknown)
	}
	return c, nil
}

// Remove forgets a context; the error wraps [ErrUnknown].
func (f *File) Remove(name string) error {
	if _, err := f.Get(name); err != nil {
		return err
	}
	delete(f.Contexts, name)
	if f.Current == name {
		f.Current = ""
	}
	if f.Previous == name {
		f.Previous = ""
	}
	return nil
}

func checkName(name string) error {
	if name == "" || name == "-" || len(name) > 64 {
		return fmt.Errorf("clicontext: context name %.70q must have 1 to 64 bytes and not be -", name)
	}
	for _, r := range name {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("clicontext: context name %q must be of printable ASCII without blanks", name)
		}
	}
	return nil
}
