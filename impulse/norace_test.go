//go:build !race

package impulse_test

// raceEnabled says whether the test was built with the race detector.
const raceEnabled = false
