package vectortest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Variable is the environment variable that names another folder.
const Variable = "KOMSTREAM_VECTORS"

// Own reports whether the vectors are the project's own copy. Every rule for a deliberate difference must then
// excuse something; another folder may lack the cases that need it.
func Own() bool { return os.Getenv(Variable) == "" }

// Dir returns the folder of the vectors.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(Variable)
	if filepath.IsAbs(dir) {
		return dir
	}
	if dir == "" {
		dir = filepath.Join("testdata", "vectors")
	}
	return filepath.Join(root(t), dir)
}

// root returns the folder of the module: the nearest one above the package under test that holds go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("vectortest: no go.mod above the test")
		}
		dir = up
	}
}

// bare are the numbers that JSON does not have and the writer of the vectors may write nevertheless.
var bare = regexp.MustCompile(`([:\[,]\s*)(-?Infinity|NaN)\b`)

// Text returns one file, with bare NaN and infinities quoted, so that it is JSON.
func Text(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Dir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	if json.Valid(text) {
		return text
	}
	return bare.ReplaceAll(text, []byte(`$1"$2"`))
}
