package bench

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// processEnv makes this test binary be one of the processes of a benchmark.
const processEnv = "KOMSTREAM_BENCH_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(processEnv) != "" {
		if err := Process(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// small is a configuration whose processes are this test binary.
func small(t *testing.T) *Config {
	t.Setenv(processEnv, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Config{Command: []string{self}, Quick: true, small: true, Progress: func(line string) { t.Log(line) }}
}
