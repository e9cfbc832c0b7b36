// Package examples holds no code but a test that runs the programs in its folders and compares what they print. Each
// is made to be read and copied; README.md says what each shows, and where to begin.
package examples
