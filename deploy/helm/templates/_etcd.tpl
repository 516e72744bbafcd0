{{/* Says "true" where the journal is in an etcd that replicas share; fails where values disagree about that. */}}
{{- define "rotatord.etcd" -}}
{{- $named := get (get (.Values.config | default dict) "state" | default dict) "etcd" -}}
{{- $identity := .Values.etcd.identitySecret -}}
{{- if and $named (not $identity) -}}
{{- fail "config.state.etcd needs etcd.identitySecret: a Secret whose key identity.txt is what age-keygen makes, one for all replicas" -}}
{{- else if and $identity (not $named) (not .Values.existingConfigMap) -}}
{{- fail "etcd.identitySecret is for replicas that share an etcd: name that under config.state.etcd, or leave it out" -}}
{{- else if and (gt (int .Values.replicas) 1) (not $identity) -}}
{{- fail (printf "replicas is %d, and only replicas that share an etcd can be more than one: set config.state.etcd and etcd.identitySecret, or replicas: 1 (with an existingConfigMap that has state.etcd: etcd.identitySecret)" (int .Values.replicas)) -}}
{{- else if $identity -}}
true
{{- end -}}
{{- end }}

{{/* The ports of etcd's members, as a list in JSON. */}}
{{- define "rotatord.etcdPorts" -}}
{{- $ports := list -}}
{{- $etcd := get (get (.Values.config | default dict) "state" | default dict) "etcd" | default dict -}}
{{- range get $etcd "endpoints" | default list -}}
{{- $ports = append $ports (regexFind "[0-9]+$" . | default "2379" | int) -}}
{{- end -}}
{{- $ports | default (list 2379) | uniq | toJson -}}
{{- end }}

{{/* Replicas reach each other by their names in the headless Service, over TLS, or not at all. */}}
{{- define "rotatord.env" -}}
{{- if and (include "rotatord.etcd" .) .Values.web.tls }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: ROTATORD_ADVERTISE
  value: https://$(POD_NAME).{{ include "rotatord.fullname" . }}.{{ .Release.Namespace }}.svc:9476
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A machine that is lost takes one replica with it. */}}
{{- define "rotatord.affinity" -}}
{{- if .Values.affinity -}}
{{- toYaml .Values.affinity -}}
{{- else if include "rotatord.etcd" . -}}
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "rotatord.selectorLabels" . | nindent 10 }}
{{- end -}}
{{- end }}
