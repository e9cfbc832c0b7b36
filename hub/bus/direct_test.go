package bus_test

import (
	"testing"

	"github.com/komstream/komstream/hub/bus"
	"github.com/komstream/komstream/hub/bus/bustest"
)

func TestDirect(t *testing.T) {
	bustest.Run(t, func(*testing.T) func() bus.Bus { return new(bus.Direct).Join })
}
