from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ColumnType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLUMN_TYPE_UNSPECIFIED: _ClassVar[ColumnType]
    COLUMN_TYPE_DOUBLE: _ClassVar[ColumnType]
    COLUMN_TYPE_INT64: _ClassVar[ColumnType]
    COLUMN_TYPE_STRING: _ClassVar[ColumnType]
    COLUMN_TYPE_BOOL: _ClassVar[ColumnType]
    COLUMN_TYPE_TIMESTAMP: _ClassVar[ColumnType]
    COLUMN_TYPE_WALL_CLOCK: _ClassVar[ColumnType]
    COLUMN_TYPE_DATE: _ClassVar[ColumnType]
COLUMN_TYPE_UNSPECIFIED: ColumnType
COLUMN_TYPE_DOUBLE: ColumnType
COLUMN_TYPE_INT64: ColumnType
COLUMN_TYPE_STRING: ColumnType
COLUMN_TYPE_BOOL: ColumnType
COLUMN_TYPE_TIMESTAMP: ColumnType
COLUMN_TYPE_WALL_CLOCK: ColumnType
COLUMN_TYPE_DATE: ColumnType

class Value(_message.Message):
    __slots__ = ("double_value", "int64_value", "string_value", "bool_value", "timestamp_micros", "wall_clock_micros", "date_days")
    DOUBLE_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MICROS_FIELD_NUMBER: _ClassVar[int]
    WALL_CLOCK_MICROS_FIELD_NUMBER: _ClassVar[int]
    DATE_DAYS_FIELD_NUMBER: _ClassVar[int]
    double_value: float
    int64_value: int
    string_value: str
    bool_value: bool
    timestamp_micros: int
    wall_clock_micros: int
    date_days: int
    def __init__(self, double_value: _Optional[float] = ..., int64_value: _Optional[int] = ..., string_value: _Optional[str] = ..., bool_value: bool = ..., timestamp_micros: _Optional[int] = ..., wall_clock_micros: _Optional[int] = ..., date_days: _Optional[int] = ...) -> None: ...

class Row(_message.Message):
    __slots__ = ("values", "key")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    values: _containers.MessageMap[str, Value]
    key: str
    def __init__(self, values: _Optional[_Mapping[str, Value]] = ..., key: _Optional[str] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("model", "rows", "include_features", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FEATURES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    rows: _containers.RepeatedCompositeFieldContainer[Row]
    include_features: bool
    request_id: str
    def __init__(self, model: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[Row, _Mapping]]] = ..., include_features: bool = ..., request_id: _Optional[str] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("probability", "margin", "label", "confidence", "features", "value", "out_of_contract")
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    probability: float
    margin: float
    label: bool
    confidence: float
    features: _containers.RepeatedScalarFieldContainer[float]
    value: float
    out_of_contract: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, probability: _Optional[float] = ..., margin: _Optional[float] = ..., label: bool = ..., confidence: _Optional[float] = ..., features: _Optional[_Iterable[float]] = ..., value: _Optional[float] = ..., out_of_contract: _Optional[_Iterable[str]] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("answers", "threshold", "model_version", "bundle_digest", "arm")
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    threshold: float
    model_version: int
    bundle_digest: str
    arm: str
    def __init__(self, answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., threshold: _Optional[float] = ..., model_version: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., arm: _Optional[str] = ...) -> None: ...

class PredictTableRequest(_message.Message):
    __slots__ = ("model", "table", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    table: bytes
    request_id: str
    def __init__(self, model: _Optional[str] = ..., table: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class PredictTableResponse(_message.Message):
    __slots__ = ("table", "threshold", "model_version", "bundle_digest", "arm")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    table: bytes
    threshold: float
    model_version: int
    bundle_digest: str
    arm: str
    def __init__(self, table: _Optional[bytes] = ..., threshold: _Optional[float] = ..., model_version: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., arm: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("model", "rows")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    model: str
    rows: _containers.RepeatedCompositeFieldContainer[Row]
    def __init__(self, model: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[Row, _Mapping]]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("contributions", "bias", "margin", "values")
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    BIAS_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    contributions: _containers.RepeatedScalarFieldContainer[float]
    bias: float
    margin: float
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, contributions: _Optional[_Iterable[float]] = ..., bias: _Optional[float] = ..., margin: _Optional[float] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("explanations", "features", "model_version", "bundle_digest")
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    features: _containers.RepeatedScalarFieldContainer[str]
    model_version: int
    bundle_digest: str
    def __init__(self, explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., features: _Optional[_Iterable[str]] = ..., model_version: _Optional[int] = ..., bundle_digest: _Optional[str] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "nullable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: ColumnType
    nullable: bool
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[ColumnType, str]] = ..., nullable: bool = ...) -> None: ...

class Arm(_message.Message):
    __slots__ = ("name", "version", "bundle_digest", "share")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    bundle_digest: str
    share: float
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "bundle_digest", "spec_digest", "model_digest", "columns", "features", "threshold", "metrics", "trained_from", "trained_to", "lineage", "rechecked_rows", "rechecked_different", "task", "arms", "alias", "out_of_contract")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class LineageEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class OutOfContractEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SPEC_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TRAINED_FROM_FIELD_NUMBER: _ClassVar[int]
    TRAINED_TO_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    RECHECKED_ROWS_FIELD_NUMBER: _ClassVar[int]
    RECHECKED_DIFFERENT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    bundle_digest: str
    spec_digest: str
    model_digest: str
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    features: _containers.RepeatedScalarFieldContainer[str]
    threshold: float
    metrics: _containers.ScalarMap[str, float]
    trained_from: str
    trained_to: str
    lineage: _containers.ScalarMap[str, str]
    rechecked_rows: int
    rechecked_different: int
    task: str
    arms: _containers.RepeatedCompositeFieldContainer[Arm]
    alias: str
    out_of_contract: _containers.ScalarMap[str, int]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., spec_digest: _Optional[str] = ..., model_digest: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., features: _Optional[_Iterable[str]] = ..., threshold: _Optional[float] = ..., metrics: _Optional[_Mapping[str, float]] = ..., trained_from: _Optional[str] = ..., trained_to: _Optional[str] = ..., lineage: _Optional[_Mapping[str, str]] = ..., rechecked_rows: _Optional[int] = ..., rechecked_different: _Optional[int] = ..., task: _Optional[str] = ..., arms: _Optional[_Iterable[_Union[Arm, _Mapping]]] = ..., alias: _Optional[str] = ..., out_of_contract: _Optional[_Mapping[str, int]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...
