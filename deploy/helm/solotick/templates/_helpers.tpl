{{- define "solotick.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "solotick.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- else if contains (include "solotick.name" .) .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "solotick.name" .) | trunc 46 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "solotick.selector" -}}
app.kubernetes.io/name: {{ include "solotick.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "solotick.labels" -}}
{{ include "solotick.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "solotick.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest | quote }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end -}}
{{- end }}

{{- define "solotick.configMap" -}}
{{- .Values.existingConfigMap | default (include "solotick.fullname" .) -}}
{{- end }}

{{- define "solotick.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "solotick.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "solotick.env" -}}
{{- range .Values.secret.env }}
- name: {{ . | quote }}
  valueFrom:
    secretKeyRef: { name: {{ $.Values.secret.name | quote }}, key: {{ . | quote }}, optional: {{ $.Values.secret.optional }} }
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "solotick.mounts" -}}
- { name: config, mountPath: /etc/solotick, readOnly: true }
{{- if .Values.secret.name }}
- { name: secret, mountPath: {{ .Values.secret.mountPath | quote }}, readOnly: true }
{{- end }}
- { name: tmp, mountPath: /tmp }
{{- with .Values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "solotick.volumes" -}}
- name: config
  configMap: { name: {{ include "solotick.configMap" . | quote }} }
{{- if .Values.secret.name }}
- name: secret
  secret: { secretName: {{ .Values.secret.name | quote }}, defaultMode: 0440, optional: {{ .Values.secret.optional }} }
{{- end }}
- name: tmp
  emptyDir: { sizeLimit: {{ .Values.tmp.sizeLimit | quote }} }
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
