package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// State is how far a load has come. The zero State is its beginning.
type State struct {
	// Target is where the samples go, as the caller names it: a state is good for one target.
	Target string `json:"target,omitempty"`
	// Line is the number of the last line that the hub has answered for, or that could not be read.
	Line int64 `json:"line"`
	// Sent and Refused count lines.
	Sent    int64 `json:"sent"`
	Refused int64 `json:"refused"`
	// Hash is that of all lines up to Line, in hexadecimal: a state is good for one input.
	Hash string `json:"hash,omitempty"`
}

// ReadState reads a state; one that does not exist is the beginning.
func ReadState(path string) (s State, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("bulk: state %s: %w: delete it to begin anew", path, err)
	}
	return s, nil
}

// Write writes the state, replacing what is there as a whole.
func (s State) Write(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("bulk: state: %w", err)
	}
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".next")
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("bulk: state: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("bulk: state: %w", err)
	}
	return nil
}
