package pebblestore

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatName is the file that says of which format the directory is, so that a version that cannot read it says so
// before it touches anything.
const (
	formatName  = "FORMAT"
	formatTitle = "komstream hub data, format "
)

func newerFormat(found string) error {
	return fmt.Errorf("the data has format %s, this version reads format %d: use a newer version", found, format)
}

// checkFormatFile refuses a directory of another format. Directories from before the file was written have none.
func checkFormatFile(dir string, fs vfs.FS) error {
	f, err := fs.Open(fs.PathJoin(dir, formatName))
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pebblestore: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return fmt.Errorf("pebblestore: %w", err)
	}
	number, ok := strings.CutPrefix(strings.TrimSpace(string(text)), formatTitle)
	found, err := strconv.Atoi(number)
	switch {
	case !ok || err != nil:
		return fmt.Errorf("pebblestore: %s: the file %s must hold %q and a number", dir, formatName, formatTitle)
	case found != format:
		return fmt.Errorf("pebblestore: %s: %w", dir, newerFormat(number))
	}
	return nil
}

// writeFormatFile writes the file where there is none: under another name first, so that there is never half of one.
func writeFormatFile(dir string, fs vfs.FS) error {
	name := fs.PathJoin(dir, formatName)
	if _, err := fs.Stat(name); err == nil {
		return nil
	}
	part := name + ".part"
	f, err := fs.Create(part, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s%d\n", formatTitle, format)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fs.Rename(part, name)
	}
	if err != nil {
		return err
	}
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
