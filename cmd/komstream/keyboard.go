package main

import (
	"context"
	"os"

	"golang.org/x/term"
)

// keyboard reads single keys from a terminal, which shows none of them and sends no signals meanwhile.
type keyboard struct {
	file  *os.File
	state *term.State // nil where it is no terminal
	quit  chan struct{}
}

// readKeys starts to read. Where the file is no terminal there are no keys, and signals remain.
func readKeys(file *os.File) (*keyboard, error) {
	k := &keyboard{file: file, quit: make(chan struct{})}
	if !term.IsTerminal(int(file.Fd())) {
		return k, nil
	}
	state, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return nil, err
	}
	k.state = state
	go k.read() // it ends with the program, or with a key: a read from a terminal cannot be broken off
	return k, nil
}

// read waits for q, escape, or an interrupt: as raw keys, Ctrl-C and Ctrl-D come like others.
func (k *keyboard) read() {
	const interrupt, end, escape = 0x03, 0x04, 0x1b
	defer close(k.quit)
	var b [1]byte
	for {
		if n, err := k.file.Read(b[:]); n == 0 || err != nil {
			return
		}
		switch b[0] {
		case 'q', 'Q', interrupt, end, escape:
			return
		}
	}
}

// quits returns a context that ends with ctx or when a key says so.
func (k *keyboard) quits(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-k.quit:
		case <-ctx.Done():
		}
	}()
	return ctx
}

// close gives the terminal back as it was.
func (k *keyboard) close() {
	if k.state != nil {
		_ = term.Restore(int(k.file.Fd()), k.state) // there is nothing else to try
	}
}
