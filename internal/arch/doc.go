// Package arch holds no code, only tests of what must hold across packages: imports point down, a third-party module
// appears only where its reason lies, the root package links what its committed list says and nothing more, every
// package explains itself, and files stay small enough to read.
//
// The tests look at the repository as it is: a new package is covered the moment it exists. What they need to be
// told stands in two tables. layers in layers_test.go gives each folder its place; thirdParty in modules_test.go
// says who may import what. A folder or a module that is in neither fails with a sentence that says so.
//
// After a wanted change of what the root package links:
//
//	go test ./internal/arch -run TestRootLinks -update
package arch
