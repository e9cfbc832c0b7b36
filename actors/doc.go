// Package actors runs komstream.
package actors
