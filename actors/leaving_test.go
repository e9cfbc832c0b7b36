package actors

import (
	"errors"
	"fmt"
	"testing"

	"github.com/komstream/komstream/connection"
)

func TestOnlyAHubThatRestartsIsComeBackToSoon(t *testing.T) {
	for code, want := range map[int]bool{1001: true, 1012: true, 1000: false, 1005: false, 1011: false, 4403: false, 4503: false} {
		if got := leaving(fmt.Errorf("lost: %w", &connection.CloseError{Code: code})); got != want {
			t.Errorf("close code %d: leaving = %v, want %v", code, got, want)
		}
	}
	if leaving(errors.New("connection reset")) {
		t.Error("a lost connection passes for a hub that restarts")
	}
}
