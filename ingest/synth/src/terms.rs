//! Every clinical code that the generator can emit, with its system: nothing outside these tables
//! ever reaches a record.
//!
//! Codes and displays were checked against published synthetic exports and eCQM value sets. No CPT
//! code is used (its licence forbids it).

/// A code system, by its FHIR URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum System {
    /// SNOMED CT.
    Snomed,
    /// ICD-10-CM.
    Icd10Cm,
    /// LOINC.
    Loinc,
    /// RxNorm.
    RxNorm,
    /// CVX, vaccines administered.
    Cvx,
    /// OMB race and ethnicity categories.
    Omb,
    /// HL7 v3 marital status.
    MaritalStatus,
}

impl System {
    /// The URL that FHIR uses for the system.
    pub const fn url(self) -> &'static str {
        match self {
            Self::Snomed => "http://snomed.info/sct",
            Self::Icd10Cm => "http://hl7.org/fhir/sid/icd-10-cm",
            Self::Loinc => "http://loinc.org",
            Self::RxNorm => "http://www.nlm.nih.gov/research/umls/rxnorm",
            Self::Cvx => "http://hl7.org/fhir/sid/cvx",
            Self::Omb => "urn:oid:2.16.840.1.113883.6.238",
            Self::MaritalStatus => "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
        }
    }
}

/// One code of one system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coding {
    /// The system.
    pub system: System,
    /// The code.
    pub code: &'static str,
    /// The system's own words for it.
    pub display: &'static str,
}

/// A concept with one or two codings; the first is the one that lake tables carry.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Concept {
    /// At least one coding.
    pub codings: &'static [Coding],
}

impl Concept {
    /// The coding that lake tables carry.
    pub const fn first(&self) -> Coding {
        self.codings[0]
    }
}

/// A measurement: its concept, its UCUM unit and the number of decimals it is reported with.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Measure {
    /// LOINC concept.
    pub concept: &'static Concept,
    /// UCUM code, printed as the unit too.
    pub unit: &'static str,
    /// Decimals.
    pub scale: u8,
}

macro_rules! concepts {
    ($table:ident, $($name:ident = $($system:ident $code:literal $display:literal),+;)+) => {
        $(pub(crate) static $name: Concept = Concept {
            codings: &[$(Coding { system: System::$system, code: $code, display: $display }),+],
        };)+
        static $table: &[&Concept] = &[$(&$name),+];
    };
}

concepts! { CONDITIONS,
    DIABETES = Snomed "44054006" "Diabetes mellitus type 2 (disorder)", Icd10Cm "E11.9" "Type 2 diabetes mellitus without complications";
    RETINOPATHY = Snomed "422034002" "Diabetic retinopathy associated with type II diabetes mellitus (disorder)", Icd10Cm "E11.319" "Type 2 diabetes mellitus with unspecified diabetic retinopathy without macular edema";
    NEUROPATHY = Snomed "368581000119106" "Neuropathy due to type 2 diabetes mellitus (disorder)", Icd10Cm "E11.40" "Type 2 diabetes mellitus with diabetic neuropathy, unspecified";
    PREDIABETES = Snomed "714628002" "Prediabetes (finding)", Icd10Cm "R73.03" "Prediabetes";
    HYPERTENSION = Snomed "59621000" "Essential hypertension (disorder)", Icd10Cm "I10" "Essential (primary) hypertension";
    HYPERTENSIVE_DISORDER = Snomed "38341003" "Hypertensive disorder, systemic arterial (disorder)", Icd10Cm "I10" "Essential (primary) hypertension";
    HYPERLIPIDEMIA = Snomed "55822004" "Hyperlipidemia (disorder)", Icd10Cm "E78.5" "Hyperlipidemia, unspecified";
    CKD_1 = Snomed "431855005" "Chronic kidney disease stage 1 (disorder)", Icd10Cm "N18.1" "Chronic kidney disease, stage 1";
    CKD_2 = Snomed "431856006" "Chronic kidney disease stage 2 (disorder)", Icd10Cm "N18.2" "Chronic kidney disease, stage 2 (mild)";
    CKD_3A = Snomed "700378005" "Chronic kidney disease stage 3A (disorder)", Icd10Cm "N18.31" "Chronic kidney disease, stage 3a";
    CKD_3B = Snomed "700379002" "Chronic kidney disease stage 3B (disorder)", Icd10Cm "N18.32" "Chronic kidney disease, stage 3b";
    CKD_4 = Snomed "431857002" "Chronic kidney disease stage 4 (disorder)", Icd10Cm "N18.4" "Chronic kidney disease, stage 4 (severe)";
    CKD_5 = Snomed "433146000" "Chronic kidney disease stage 5 (disorder)", Icd10Cm "N18.5" "Chronic kidney disease, stage 5";
    CORONARY = Snomed "53741008" "Coronary arteriosclerosis (disorder)", Icd10Cm "I25.10" "Atherosclerotic heart disease of native coronary artery without angina pectoris";
    HEART_FAILURE = Snomed "84114007" "Heart failure (disorder)", Icd10Cm "I50.9" "Heart failure, unspecified";
    ATRIAL_FIBRILLATION = Snomed "49436004" "Atrial fibrillation (disorder)", Icd10Cm "I48.91" "Unspecified atrial fibrillation";
    STROKE = Snomed "230690007" "Cerebrovascular accident (disorder)", Icd10Cm "I63.9" "Cerebral infarction, unspecified";
    COPD = Snomed "13645005" "Chronic obstructive lung disease (disorder)", Icd10Cm "J44.9" "Chronic obstructive pulmonary disease, unspecified";
    ASTHMA = Snomed "195967001" "Asthma (disorder)", Icd10Cm "J45.909" "Unspecified asthma, uncomplicated";
    DEPRESSION = Snomed "370143000" "Major depressive disorder (disorder)", Icd10Cm "F32.9" "Major depressive disorder, single episode, unspecified";
    ANXIETY = Snomed "197480006" "Anxiety disorder (disorder)", Icd10Cm "F41.9" "Anxiety disorder, unspecified";
    OBESITY = Snomed "414916001" "Obesity (disorder)", Icd10Cm "E66.9" "Obesity, unspecified";
    BREAST_CANCER = Snomed "254837009" "Malignant neoplasm of breast (disorder)", Icd10Cm "C50.919" "Malignant neoplasm of unspecified site of unspecified female breast";
    PROSTATE_CANCER = Snomed "399068003" "Malignant neoplasm of prostate (disorder)", Icd10Cm "C61" "Malignant neoplasm of prostate";
    COLON_CANCER = Snomed "363406005" "Malignant neoplasm of colon (disorder)", Icd10Cm "C18.9" "Malignant neoplasm of colon, unspecified";
    LUNG_CANCER = Snomed "254637007" "Non-small cell lung cancer (disorder)", Icd10Cm "C34.90" "Malignant neoplasm of unspecified part of unspecified bronchus or lung";
    OSTEOARTHRITIS = Snomed "396275006" "Osteoarthritis (disorder)", Icd10Cm "M19.90" "Unspecified osteoarthritis, unspecified site";
    OSTEOPOROSIS = Snomed "64859006" "Osteoporosis (disorder)", Icd10Cm "M81.0" "Age-related osteoporosis without current pathological fracture";
    HYPOTHYROIDISM = Snomed "40930008" "Hypothyroidism (disorder)", Icd10Cm "E03.9" "Hypothyroidism, unspecified";
    REFLUX = Snomed "235595009" "Gastroesophageal reflux disease (disorder)", Icd10Cm "K21.9" "Gastro-esophageal reflux disease without esophagitis";
    ALZHEIMER = Snomed "26929004" "Alzheimer's disease (disorder)", Icd10Cm "G30.9" "Alzheimer's disease, unspecified";
    SINUSITIS = Snomed "444814009" "Viral sinusitis (disorder)";
    PHARYNGITIS = Snomed "195662009" "Acute viral pharyngitis (disorder)", Icd10Cm "J02.9" "Acute pharyngitis, unspecified";
    BRONCHITIS = Snomed "10509002" "Acute bronchitis (disorder)", Icd10Cm "J20.9" "Acute bronchitis, unspecified";
    URINARY_INFECTION = Snomed "68566005" "Urinary tract infectious disease (disorder)", Icd10Cm "N39.0" "Urinary tract infection, site not specified";
    OTITIS = Snomed "65363002" "Otitis media (disorder)", Icd10Cm "H66.90" "Otitis media, unspecified, unspecified ear";
    COVID = Snomed "840539006" "Disease caused by severe acute respiratory syndrome coronavirus 2 (disorder)", Icd10Cm "U07.1" "COVID-19";
    BACK_PAIN = Snomed "279039007" "Low back pain (finding)", Icd10Cm "M54.50" "Low back pain, unspecified";
    ANKLE_SPRAIN = Snomed "44465007" "Sprain of ankle (disorder)";
    PNEUMONIA = Snomed "233604007" "Pneumonia (disorder)", Icd10Cm "J18.9" "Pneumonia, unspecified organism";
    CHEST_PAIN = Snomed "29857009" "Chest pain (finding)", Icd10Cm "R07.9" "Chest pain, unspecified";
}

concepts! { ENCOUNTERS,
    GENERAL_EXAMINATION = Snomed "162673000" "General examination of patient (procedure)";
    WELL_CHILD = Snomed "410620009" "Well child visit (procedure)";
    CHECK_UP = Snomed "185349003" "Encounter for check up (procedure)";
    FOLLOW_UP = Snomed "390906007" "Follow-up encounter (procedure)";
    FOR_SYMPTOM = Snomed "185345009" "Encounter for symptom (procedure)";
    OUTPATIENT_PROCEDURE = Snomed "371883000" "Outpatient procedure (procedure)";
    EMERGENCY_ADMISSION = Snomed "50849002" "Emergency room admission (procedure)";
    HOSPITAL_ADMISSION = Snomed "32485007" "Hospital admission (procedure)";
}

concepts! { OBSERVATIONS,
    C_HBA1C = Loinc "4548-4" "Hemoglobin A1c/Hemoglobin.total in Blood";
    C_GLUCOSE = Loinc "2345-7" "Glucose [Mass/volume] in Serum or Plasma";
    C_CREATININE = Loinc "2160-0" "Creatinine [Mass/volume] in Serum or Plasma";
    C_EGFR = Loinc "98979-8" "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)";
    C_UACR = Loinc "9318-7" "Albumin/Creatinine [Mass Ratio] in Urine";
    C_CHOLESTEROL = Loinc "2093-3" "Cholesterol [Mass/volume] in Serum or Plasma";
    C_TRIGLYCERIDES = Loinc "2571-8" "Triglyceride [Mass/volume] in Serum or Plasma";
    C_LDL = Loinc "13457-7" "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation";
    C_HDL = Loinc "2085-9" "Cholesterol in HDL [Mass/volume] in Serum or Plasma";
    C_HEIGHT = Loinc "8302-2" "Body height";
    C_WEIGHT = Loinc "29463-7" "Body weight";
    C_BMI = Loinc "39156-5" "Body mass index (BMI) [Ratio]";
    C_SYSTOLIC = Loinc "8480-6" "Systolic blood pressure";
    C_DIASTOLIC = Loinc "8462-4" "Diastolic blood pressure";
    C_PHQ9 = Loinc "44261-6" "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]";
    BLOOD_PRESSURE = Loinc "85354-9" "Blood pressure panel with all children optional";
    SMOKING_STATUS = Loinc "72166-2" "Tobacco smoking status";
    DEPRESSION_SCREEN = Loinc "73832-8" "Adult depression screening assessment";
    MAMMOGRAM_REPORT = Loinc "24606-6" "MG Breast Screening";
}

macro_rules! measures {
    ($($name:ident = $concept:ident $unit:literal $scale:literal;)+) => {
        $(pub(crate) static $name: Measure = Measure { concept: &$concept, unit: $unit, scale: $scale };)+
        static MEASURES: &[&Measure] = &[$(&$name),+];
    };
}

measures! {
    HBA1C = C_HBA1C "%" 1;
    GLUCOSE = C_GLUCOSE "mg/dL" 0;
    CREATININE = C_CREATININE "mg/dL" 2;
    EGFR = C_EGFR "mL/min/{1.73_m2}" 0;
    UACR = C_UACR "mg/g" 0;
    CHOLESTEROL = C_CHOLESTEROL "mg/dL" 0;
    TRIGLYCERIDES = C_TRIGLYCERIDES "mg/dL" 0;
    LDL = C_LDL "mg/dL" 0;
    HDL = C_HDL "mg/dL" 0;
    HEIGHT = C_HEIGHT "cm" 1;
    WEIGHT = C_WEIGHT "kg" 1;
    BMI = C_BMI "kg/m2" 1;
    SYSTOLIC = C_SYSTOLIC "mm[Hg]" 0;
    DIASTOLIC = C_DIASTOLIC "mm[Hg]" 0;
    PHQ9 = C_PHQ9 "{score}" 0;
}

concepts! { ANSWERS,
    NEVER_SMOKER = Snomed "266919005" "Never smoked tobacco (finding)";
    FORMER_SMOKER = Snomed "8517006" "Ex-smoker (finding)";
    DAILY_SMOKER = Snomed "449868002" "Smokes tobacco daily (finding)";
    SOME_DAYS_SMOKER = Snomed "428041000124106" "Occasional tobacco smoker (finding)";
    SCREEN_NEGATIVE = Snomed "428171000124102" "Depression screening negative (finding)";
    SCREEN_POSITIVE = Snomed "428181000124104" "Depression screening positive (finding)";
}

concepts! { DRUGS,
    METFORMIN = RxNorm "860975" "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet";
    GLARGINE = RxNorm "311041" "insulin glargine 100 UNT/ML Injectable Solution";
    GLIPIZIDE = RxNorm "310490" "glipizide 5 MG Oral Tablet";
    LISINOPRIL = RxNorm "314076" "lisinopril 10 MG Oral Tablet";
    AMLODIPINE = RxNorm "197361" "amlodipine 5 MG Oral Tablet";
    LOSARTAN = RxNorm "979492" "losartan potassium 50 MG Oral Tablet";
    HYDROCHLOROTHIAZIDE = RxNorm "310798" "hydrochlorothiazide 25 MG Oral Tablet";
    ATORVASTATIN_10 = RxNorm "617312" "atorvastatin 10 MG Oral Tablet";
    ATORVASTATIN_40 = RxNorm "617311" "atorvastatin 40 MG Oral Tablet";
    ASPIRIN = RxNorm "243670" "aspirin 81 MG Oral Tablet";
    METOPROLOL = RxNorm "866436" "24 HR metoprolol succinate 50 MG Extended Release Oral Tablet";
    FUROSEMIDE = RxNorm "313988" "furosemide 40 MG Oral Tablet";
    APIXABAN = RxNorm "1364445" "apixaban 5 MG Oral Tablet";
    WARFARIN = RxNorm "855332" "warfarin sodium 5 MG Oral Tablet";
    ALBUTEROL = RxNorm "2123111" "NDA020503 200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler";
    FLUTICASONE = RxNorm "895994" "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler";
    SALMETEROL = RxNorm "896209" "60 ACTUAT fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler";
    SERTRALINE = RxNorm "312941" "sertraline 50 MG Oral Tablet";
    LEVOTHYROXINE = RxNorm "966222" "levothyroxine sodium 0.075 MG Oral Tablet";
    OMEPRAZOLE = RxNorm "198051" "omeprazole 20 MG Delayed Release Oral Capsule";
    AMOXICILLIN = RxNorm "308192" "amoxicillin 500 MG Oral Tablet";
    IBUPROFEN = RxNorm "310965" "ibuprofen 200 MG Oral Tablet";
    ACETAMINOPHEN = RxNorm "313782" "acetaminophen 325 MG Oral Tablet";
}

concepts! { PROCEDURES,
    RETINAL_EXAM = Snomed "722161008" "Diabetic retinal eye exam (procedure)";
    FOOT_EXAM = Snomed "401191002" "Diabetic foot examination (regime/therapy)";
    COLONOSCOPY = Snomed "73761001" "Colonoscopy (procedure)";
    MAMMOGRAPHY = Snomed "71651007" "Mammography (procedure)";
    DIALYSIS = Snomed "265764009" "Renal dialysis (procedure)";
    SPIROMETRY = Snomed "127783003" "Spirometry (procedure)";
    ELECTROCARDIOGRAM = Snomed "29303009" "Electrocardiographic procedure (procedure)";
    RECONCILIATION = Snomed "430193006" "Medication reconciliation (procedure)";
}

concepts! { VACCINES,
    FLU = Cvx "140" "Influenza, split virus, trivalent, PF";
    FLU_PRESERVED = Cvx "141" "Influenza, split virus, trivalent, preservative";
    PNEUMOCOCCAL = Cvx "33" "pneumococcal polysaccharide PPV23";
    TETANUS = Cvx "113" "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed";
    COVID_VACCINE = Cvx "213" "SARS-COV-2 (COVID-19) vaccine, UNSPECIFIED";
    ZOSTER = Cvx "187" "zoster recombinant";
    DTAP = Cvx "20" "DTaP";
    POLIO = Cvx "10" "IPV";
    MMR = Cvx "03" "MMR";
    VARICELLA = Cvx "21" "varicella";
}

concepts! { PEOPLE,
    WHITE = Omb "2106-3" "White";
    BLACK = Omb "2054-5" "Black or African American";
    ASIAN = Omb "2028-9" "Asian";
    NATIVE_AMERICAN = Omb "1002-5" "American Indian or Alaska Native";
    PACIFIC_ISLANDER = Omb "2076-8" "Native Hawaiian or Other Pacific Islander";
    OTHER_RACE = Omb "2131-1" "Other Race";
    HISPANIC = Omb "2135-2" "Hispanic or Latino";
    NOT_HISPANIC = Omb "2186-5" "Not Hispanic or Latino";
    MARRIED = MaritalStatus "M" "Married";
    NEVER_MARRIED = MaritalStatus "S" "Never Married";
    DIVORCED = MaritalStatus "D" "Divorced";
    WIDOWED = MaritalStatus "W" "Widowed";
}

/// Every concept that can appear in a record.
pub fn concepts() -> impl Iterator<Item = &'static Concept> {
    [
        CONDITIONS,
        ENCOUNTERS,
        OBSERVATIONS,
        ANSWERS,
        DRUGS,
        PROCEDURES,
        VACCINES,
        PEOPLE,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Every measurement that can appear in a record, with its unit.
pub fn measures() -> impl Iterator<Item = &'static Measure> {
    MEASURES.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_have_the_shape_of_their_system() {
        for coding in concepts().flat_map(|concept| concept.codings) {
            let code = coding.code;
            assert!(!coding.display.is_empty());
            let fits = match coding.system {
                System::Snomed => code.len() >= 6 && verhoeff(code),
                System::Loinc | System::Omb => {
                    loinc_check_digit(code) || coding.system == System::Omb
                }
                System::RxNorm | System::Cvx => code.bytes().all(|b| b.is_ascii_digit()),
                System::Icd10Cm => {
                    code.as_bytes()[0].is_ascii_uppercase()
                        && (code.len() == 3 || code.as_bytes()[3] == b'.')
                }
                System::MaritalStatus => code.len() == 1,
            };
            assert!(fits, "{coding:?}");
        }
    }

    #[test]
    fn check_digits_catch_a_mistyped_code() {
        assert!(verhoeff("44054006") && !verhoeff("44054007") && !verhoeff("44504006"));
        assert!(loinc_check_digit("4548-4") && !loinc_check_digit("4548-5"));
    }

    #[test]
    fn no_concept_is_declared_twice() {
        let mut seen = HashSet::new();
        assert!(concepts().all(|concept| seen.insert(concept.codings)));
    }

    /// The SNOMED CT partition check digit (Verhoeff 1969).
    fn verhoeff(code: &str) -> bool {
        const TIMES: [[usize; 10]; 10] = [
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
            [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
            [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
            [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
            [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
            [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
            [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
            [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
            [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
        ];
        const STEP: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
        let check = code
            .bytes()
            .rev()
            .enumerate()
            .fold(0, |check, (place, digit)| {
                let permuted = (0..place).fold(usize::from(digit - b'0'), |digit, _| STEP[digit]);
                TIMES[check][permuted]
            });
        check == 0
    }

    /// The LOINC check digit (Luhn, mod 10).
    fn loinc_check_digit(code: &str) -> bool {
        let Some((number, check)) = code.split_once('-') else {
            return false;
        };
        let sum: u32 = number
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| {
                let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
                digit / 10 + digit % 10
            })
            .sum();
        check.parse() == Ok((10 - sum % 10) % 10)
    }
}
