package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// serviceSource is what the service's lines stand under in Windows' event log.
const serviceSource = "Solotick"

// asService runs this program as a service, if Windows' service manager has started it,
// and returns its exit code. What it prints goes to the event log, as a service has no
// terminal and no files.
func asService(program func(context.Context, []string, io.Reader, io.Writer, io.Writer) int) (code int, is bool) {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return 0, false
	}
	s := &windowsService{program: program}
	if log, err := eventlog.Open(serviceSource); err == nil {
		defer log.Close()
		s.out = &eventLines{tell: func(l eventLevel, line string) {
			switch l { // an event that cannot be written is no concern of the jobs
			case eventError:
				_ = log.Error(1, line)
			case eventWarning:
				_ = log.Warning(1, line)
			case eventInfo:
				_ = log.Info(1, line)
			}
		}}
	}
	if err := svc.Run(serviceSource, s); err != nil {
		fmt.Fprintln(s.log(), "solotick: the service manager:", err)
		return exitFailed, true
	}
	return s.code, true
}

// A windowsService is one run of the program between the service manager's Start and Stop.
type windowsService struct {
	program func(context.Context, []string, io.Reader, io.Writer, io.Writer) int
	out     io.Writer // nil: there is no event log
	code    int
}

func (s *windowsService) log() io.Writer {
	if s.out == nil {
		return io.Discard
	}
	return s.out
}

// Execute ends the program as TERM does elsewhere when Windows wants it to stop. Of a
// shutdown it hears early (PreShutdown), so that there is time to hand a run over.
func (s *windowsService) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	status <- svc.Status{State: svc.StartPending}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- s.program(ctx, os.Args[1:], strings.NewReader(""), s.log(), s.log()) }()
	now := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptPreShutdown}
	status <- now
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case s.code = <-ended:
			return s.code != 0, uint32(s.code)
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- now
			case svc.Stop, svc.PreShutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: 5000}
				status <- now
				stop()
			}
		case <-second.C:
			if now.State == svc.StopPending { // or the manager takes it for stuck
				now.CheckPoint++
				status <- now
			}
		}
	}
}
