package config

import "slices"

// rules adds to the schema of a mapping what the keys of one have to do with each
// other.
func (b *builder) rules(s shape, m *schema) {
	switch s.name {
	case "file":
		m.AnyOf = []*schema{{Required: []string{"jobs"}}, {Required: []string{"jobs_from"}}}
		for _, p := range m.Properties {
			if p.name == "jobs" {
				p.MinProps = 1
			}
		}
	case "dns":
		m.AllOf = providerRules(s)
	case "job", "defaults":
		m.Dependent = map[string]*schema{"cron": forbid("every", "offset"), "steps": forbid("exec")}
		m.AllOf = shellRules("exec")
	case "step":
		m.OneOf = stepRules(s)
		m.AllOf = shellRules("exec")
	case "request":
		m.Dependent = map[string]*schema{"body": forbid("json", "form"), "json": forbid("form")}
		m.If = &schema{Properties: members{{"method", &schema{Enum: []any{"GET", "HEAD"}}}}, Required: []string{"method"}}
		m.Then = forbid("body", "json", "form")
	case "notifier":
		m.MinProps, m.MaxProps = 1, 1
	case "slack":
		m.OneOf = []*schema{
			{Required: []string{"webhook"}, Properties: forbid("token").Properties},
			{Required: []string{"token", "channel"}, Properties: forbid("webhook").Properties},
		}
	case "email":
		m.Dependent = map[string]*schema{"password": {Required: []string{"user"}}}
	case "report":
		m.OneOf = []*schema{{Required: []string{"token"}}, {Required: []string{"hmac"}}}
	case "exec":
		m.AllOf = shellRules("command")
		m.AllOf = append(m.AllOf, &schema{If: &schema{Not: &schema{Required: []string{"shell"}}}, Then: argumentsOf("command")})
	}
}

// stepRules are what a step may say beside what it does.
func stepRules(s shape) []*schema {
	var all []*schema
	for _, kind := range []string{"http", "exec", "alert", "set"} {
		var no []string
		for _, r := range s.rows {
			if r.name != kind && r.name != "id" && !slices.Contains(kindKeys[kind], r.name) {
				no = append(no, r.name)
			}
		}
		one := forbid(no...)
		one.Required = []string{kind}
		if kind == "alert" {
			one.Required = append(one.Required, "if")
		}
		all = append(all, one)
	}
	return all
}

// shellRules bind the form of a command to shell:, where it stands beside it.
func shellRules(command string) []*schema {
	when := func(yes bool, word string) *schema {
		return &schema{Properties: members{{"shell", &schema{Enum: []any{yes, word}}}}, Required: []string{"shell"}}
	}
	return []*schema{
		{If: when(true, "true"), Then: &schema{Properties: members{{command, &schema{Type: scalars}}}}},
		{If: when(false, "false"), Then: argumentsOf(command)},
	}
}

func argumentsOf(command string) *schema {
	return &schema{Properties: members{{command, &schema{Type: "array"}}}}
}

// providerRules are what a mapping may and must say of each provider.
func providerRules(s shape) []*schema {
	var all []*schema
	for _, p := range providers {
		var no []string
		for _, r := range s.rows {
			if !p.knows(r.name) {
				no = append(no, r.name)
			}
		}
		then := forbid(no...)
		then.Required = p.need
		switch p.name {
		case "command":
			then.AnyOf = []*schema{{Required: []string{"command"}, Properties: forbid("url", "token").Properties}, {Required: []string{"url"}, Properties: forbid("command").Properties}}
			then.AllOf = []*schema{argumentsOf("command")}
		case "route53":
			then.Dependent = map[string]*schema{
				"access_key_id": {Required: []string{"secret_access_key"}}, "secret_access_key": {Required: []string{"access_key_id"}},
				"session_token": {Required: []string{"access_key_id"}},
			}
		case "azuredns":
			then.Dependent = map[string]*schema{"client_secret": {Required: []string{"client_id", "tenant_id"}}}
		}
		all = append(all, &schema{If: &schema{Properties: members{{"provider", &schema{Enum: []any{p.name}}}}, Required: []string{"provider"}}, Then: then})
	}
	return all
}
