//go:build tools

// Package tools names the program that scripts/components builds, so that go.mod and go.sum fix
// its version and those of everything below it.
package tools

import _ "github.com/fullstorydev/grpcurl/cmd/grpcurl"
