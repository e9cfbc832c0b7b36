package metric_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/komstream/komstream/metric"
)

func ExampleDatapoint() {
	at := time.Date(2026, 11, 24, 10, 0, 0, 123_456_789, time.UTC)
	s := metric.Datapoint("host1.cpu.system", at, 14.63)
	fmt.Println(s)
	fmt.Println(s.Float(), s.Kind(), s.Check())
	// Output:
	// host1.cpu.system 2026-11-24T10:00:00.123Z "14.63"
	// 14.63 datapoint <nil>
}

func ExampleSample_Check() {
	s := metric.Datapoint("host1.cpu.system", "2026-11-24T10:00:00", 14.63)
	err := s.Check()
	fmt.Println(err)
	var invalid *metric.InvalidError
	fmt.Println(errors.As(err, &invalid), invalid.Field)
	// Output:
	// metric: time "2026-11-24T10:00:00" must carry a zone, Z or ±HH:MM
	// true time
}

func ExampleParseNumber() {
	for _, text := range []string{"1.50", "007", "1e5", "0.0000001", "1_000"} {
		v, err := metric.ParseNumber(text)
		fmt.Println(v, v.Float(), err)
	}
	// Output:
	// 1.50 1.5 <nil>
	// 7 7 <nil>
	// 1E+5 100000 <nil>
	// 1E-7 1e-07 <nil>
	// 1000 1000 <nil>
}

func ExampleURI() {
	cpu := metric.URI("host1").Child("cpu")
	fmt.Println(cpu.Child("system").Within(cpu), metric.URI("host1.cpux").Within(cpu))
	fmt.Println(cpu.Global("Alice"), metric.URI("ALICE:host1.cpu").For("alice"), metric.URI("Bob:host1.cpu").For("alice"))
	// Output:
	// true false
	// alice:host1.cpu host1.cpu bob:host1.cpu
}

func ExampleTimeUUID() {
	t, err := metric.ParseTimeUUID("{6F2B4C00-D05A-11E7-A1B2-030405060708}")
	fmt.Println(t, err)
	fmt.Println(t.Time().Format(time.RFC3339Nano))
	fmt.Println(t.Compare(metric.NewTimeUUID(t.Ticks(), metric.PlainLow)))
	// Output:
	// 6f2b4c00d05a11e7a1b2030405060708 <nil>
	// 2017-11-23T14:27:28.8832Z
	// 1
}
