package komstream_test

import (
	"encoding/json"
	"testing"

	"github.com/komstream/komstream/internal/vectortest"
)

// vectors decodes one file of the golden vectors.
func vectors(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(vectortest.Text(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
