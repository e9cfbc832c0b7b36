package memstore_test

import (
	"testing"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/memstore"
	"github.com/komstream/komstream/hub/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New() })
}
